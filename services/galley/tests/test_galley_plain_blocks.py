"""Plain YAML read by lines: what it gives is what the parser gives, and all else is left to the parser."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from flotilla_galley.sources.plain_blocks import DEEPEST, MOST_CHARACTERS, read_plain
from flotilla_galley.sources.plain_flows import DEEPEST as DEEPEST_FLOW
from flotilla_galley.sources.plain_flows import NotPlain
from flotilla_galley.sources.yaml_documents import YamlDocument, read_documents
from flotilla_shared.notation.values import ValueReader

OBJECT = """\
# where it comes from
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: 'reviews'
  labels: {}
  annotations:
    example.com/note: "it's #1: fine"
spec:
  hosts:
  - reviews.prod:9080
  - "*.example.com"

  http:
    - match:
      - uri: {}
        port: 0x50
      timeout: 1.5s   # as long as it takes
      retries:
        attempts: 3
    -   name: wide
        weight: .5
  exportTo: []
  tls: [{match: [{port: 443, sniHosts: ["*.example.com", 'a b']}], route: [{destination: {host: spiffe://a/b}}]}] # so
  gateways:
"""

# A text, and why the parser has to read it.
NOT_PLAIN = {
    "a: {b: 1,\n  c: 2}\n": "a flow mapping of two lines",
    "a: {b:1}\n": "a key without a space",
    "a: {b}\n": "a key without a value",
    "a: {b: , c: 1}\n": "a field without a value",
    'a: {"b": 1}\n': "a key in quotes",
    "a: {b: 1, b: 2}\n": "a field twice",
    "a: {yes: 1}\n": "a field that is a word",
    "a: [b, ]\n": "a comma too many",
    "a: [b: 1]\n": "a pair in a list",
    "a: [b] c\n": "something behind a list",
    "a: [b]#c\n": "a comment without a space",
    "a: [b: c]\n": "a mapping without braces",
    "a: [*b]\n": "an alias in a list",
    "a: [b}\n": "brackets that do not match",
    f"a: {'[' * (DEEPEST_FLOW + 1)}{']' * (DEEPEST_FLOW + 1)}\n": "lists too deep",
    "a: &x 1\nb: *x\n": "an anchor",
    "a: !!str 1\n": "a tag",
    'a: "\\n"\n': "an escape",
    "a: 'it''s'\n": "a quote in quotes",
    "a: |\n  text\n": "a block of text",
    "a: one\n  two\n": "text of two lines",
    "a: 1\na: 2\n": "a key twice",
    "a:\n  b: 1\n c: 2\n": "a column that nothing has",
    "a: b: c\n": "two keys on a line",
    "a: b\n- c\n": "an item in a mapping",
    "- a\nb: c\n": "a key in a list",
    "yes: 1\n": "a key that is a word",
    "1: a\n": "a key that is a number",
    "<<: a\n": "a merge",
    "? a\n: b\n": "a key of its own line",
    "- - a\n": "a list in a list",
    "-\n  a: 1\n": "a dash alone",
    "a:\tb\n": "a tab",
    "a: 1\r\nb: 2\r\n": "other ends of lines",
    "a: \u00fc\n": "a letter that is not ASCII",
    "a: 1\n...\nb: 2\n": "an end of the document",
    "%YAML 1.1\n": "a directive",
    "text\n": "text alone",
    "# nothing\n\n": "no value",
    "": "nothing at all",
    "a: @b\n": "a character that is reserved",
    f"a: {'1' * 5000}\n": "a number of too many digits",
    "a:\n" + "".join(f"{' ' * each}a:\n" for each in range(1, DEEPEST + 2)): "too deep",
    f"a: {'b' * MOST_CHARACTERS}\n": "too long",
}


def by_parser(text: str) -> tuple[Any, dict[str, int]]:
    """The value, and the first line of each path. Raises yaml.YAMLError, ValueError."""
    lines: dict[str, int] = {}
    reader = ValueReader(text, lambda path, mark: lines.setdefault(path, mark.line))
    value = reader.next(None)
    reader.end()
    return value, lines


def typed(value: Any) -> Any:
    """A value with the types of what is in it, and the order of fields: 1 is not True, nor 1.0."""
    if isinstance(value, dict):
        return [(key, typed(inner)) for key, inner in value.items()]
    return [typed(each) for each in value] if isinstance(value, list) else (type(value), repr(value))


def is_same(text: str) -> bool:
    """Whether the text was plain; it fails where it was and the parser finds otherwise."""
    try:
        value, places = read_plain(text)
    except NotPlain:
        return False
    expected, lines = by_parser(text)
    assert typed(value) == typed(expected)
    assert places == {path: lines[path] for path in ("", "kind") if path in lines}
    return True


def test_an_object_as_people_write_it_is_plain() -> None:
    assert is_same(OBJECT)


@pytest.mark.parametrize("text", NOT_PLAIN, ids=NOT_PLAIN.values())
def test_what_is_the_parsers(text: str) -> None:
    with pytest.raises(NotPlain):
        read_plain(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), JSON, min_size=1, max_size=5))
def test_any_value_that_a_tool_writes(value: dict[str, Any]) -> None:
    is_same(yaml.safe_dump(value))


NAMES = st.sampled_from(["kind", "spec", "name", "example.com/x", "a-b", "C_d"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(0, 9)
    | st.from_regex(r"[abe1./][abe1.:/ #*{-]{0,10}", fullmatch=True)
)
USUAL_VALUES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | LEAVES | st.lists(inner | LEAVES, max_size=3), max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, USUAL_VALUES, min_size=1, max_size=4), st.booleans())
def test_what_a_tool_writes_of_a_usual_value_is_plain(value: dict[str, Any], indented: bool) -> None:
    text = yaml.dump(value, Dumper=Indented if indented else yaml.SafeDumper, width=1000)
    assert is_same(text)


class Indented(yaml.SafeDumper):
    """Lists stand further in than the key that they belong to, as many people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


WRITTEN = r"""
a b kind a.b a/b-c 1 0 -1 1.5 .5 -.5 1e3 0x1F 0o7 007 1_000 +1 . .. ... - -- --- -a true False yes null ~ _
a:b a:#b :a a: #a a#b a,b a] a} {} [] {a} [a] 'a' 'a:b' '' 'it''s' "a" "" "#" "\n" "a"b * *a &a !a % @ ` ? | > = <<
2024-01-01 12:30:45 .inf .nan 5s 10.0.0.1:80 /a *.b a* \ a\b
"""
WORDS = st.sampled_from([*WRITTEN.split(), "\u00e9", "\x7f", "\t"])
LINES = st.builds(
    lambda indent, dash, key, gap, value, end: f"{indent}{dash}{key}{gap}{value}{end}",
    st.integers(0, 6).map(lambda number: " " * number),
    st.sampled_from(["", "", "", "- ", "-  ", "-", "- - "]),
    st.sampled_from(["", "a:", "b:", "kind:", "c.d/e-f:", "a :", "yes:", "1:", "'a':", "a"]),
    st.sampled_from([" ", " ", "  ", ""]),
    st.lists(WORDS, max_size=3).map(" ".join) | st.just("") | st.just(""),
    st.sampled_from(["\n", "\n", "\n", " \n", " # why\n", "#\n", "\n\n", "\n# a line\n", "\r\n", "", "\n  # in\n"]),
)
# Of these the texts are plain more often.
USUAL = st.builds(
    lambda indent, dash, key, value: f"{indent}{dash}{key}{value}\n",
    st.sampled_from(["", "  ", "    "]),
    st.sampled_from(["", "", "- "]),
    st.sampled_from("abcdefgh").map("{}:".format) | st.just("kind:"),
    st.sampled_from(["", "", " x", " 'y: z'", " 1", " {}", " # why", " -1.5e3", "  on  ", " a b:c # d"]),
)


@given(st.lists(LINES, min_size=1, max_size=8).map("".join) | st.lists(USUAL, min_size=1, max_size=8).map("".join))
@example("a:\n- b\n- c\nkind: d\n")
@example("- a: 1\n  b:\n  - c\n-  d: 2\n   e:\n     f: 3\n")
@example("a:\n  b:\n    c:\nkind:\n")
@example("a: b  c   # d\nb: '# e'\n")
@example("a:\n    b: 1\n\n    # in between\n    c: 2")
def test_lines_of_any_kind(text: str) -> None:
    is_same(text)


FLOWS = st.recursive(
    st.sampled_from(
        [
            "a",
            "b c",
            "'x, y'",
            '"]"',
            "1",
            "-1",
            "a:b",
            "a:",
            ":a",
            "#",
            "a #b",
            "yes",
            "",
            "*a",
            "a-b",
            "/x",
            "a'",
            "1.5",
            "?",
            "a?",
        ]
    ),
    lambda inner: st.builds(
        lambda opens, items, closes: opens + ", ".join(items) + closes,
        st.sampled_from(["[", "[ ", "{"]),
        st.lists(st.builds("{}{}".format, st.sampled_from(["", "a: ", "b: ", "c:", "a/b.c:   "]), inner), max_size=3),
        st.sampled_from(["]", " ]", "}", "}}", ",]", ""]),
    ),
    max_leaves=8,
)


@given(st.builds("a: {}{}\n".format, FLOWS, st.sampled_from(["", " # why", "#", " b"])))
def test_flow_collections_of_any_kind(text: str) -> None:
    is_same(text)


USUAL_FLOWS = st.recursive(
    st.integers() | st.booleans() | st.from_regex(r"[a-z/][a-z/.:1 -]{0,6}[a-z]", fullmatch=True) | st.just("*.a, b"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(USUAL_FLOWS, max_size=4) | st.dictionaries(NAMES, USUAL_FLOWS, max_size=4))
def test_flow_collections_that_a_tool_writes_are_plain(value: Any) -> None:
    text = yaml.safe_dump({"spec": value}, default_flow_style=True, width=10_000)
    assert is_same(f"a: {text}")


@given(st.text(st.sampled_from("ab:-# \n'\"{}[]0.,&*!|>%@`\\\t\r~<?_/=+"), max_size=40))
def test_any_text(text: str) -> None:
    is_same(text)


def test_the_lines_of_all_fields_are_there_when_they_are_asked_for() -> None:
    text = f"kind: First\n---\n{OBJECT}"
    _, document = read_documents(text)
    assert isinstance(document, YamlDocument)
    found = {path: document.line_of(path) for path in ("", "kind", "spec.hosts[1]", "spec.http[1].weight", "spec.no")}
    assert found == {"": 4, "kind": 5, "spec.hosts[1]": 14, "spec.http[1].weight": 24, "spec.no": 11}
    assert set(document.lines) == set(by_parser(OBJECT)[1])
    assert len(document.lines) == len(by_parser(OBJECT)[1])
