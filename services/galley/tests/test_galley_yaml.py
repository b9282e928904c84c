"""YAML with lines: scalars as Kubernetes reads them, one bad document at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.sources.yaml_documents import YamlDocument, YamlError, read_documents


def values(text: str) -> list[Any]:
    return [each.value if isinstance(each, YamlDocument) else each for each in read_documents(text)]


SCALARS = [
    ("12:30:45", "12:30:45"),
    ("2024-01-01", "2024-01-01"),
    ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    ("1e3", 1000.0),
    ("1.5", 1.5),
    (".5", 0.5),
    ("10", 10),
    ("-3", -3),
    ("0x1F", 31),
    ("0o17", 15),
    ("true", True),
    ("null", None),
    ("~", None),
    ("'10'", "10"),
    ("plain words", "plain words"),
    ("1.2.3", "1.2.3"),
    ("127.0.0.1", "127.0.0.1"),
    ("5s", "5s"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars(text: str, value: object) -> None:
    found = values(f"v: {text}\n")[0]["v"]
    assert (found, type(found)) == (value, type(value))


def test_documents_are_split_and_empty_ones_left_out() -> None:
    assert values("a: 1\n---\n---\n# only a comment\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_what_follows_the_dashes_belongs_to_the_document() -> None:
    assert values("a: 1\n--- {b: 2}\n") == [{"a": 1}, {"b": 2}]


def test_a_bad_document_does_not_take_the_others_with_it() -> None:
    good, bad, also_good = values("a: 1\n---\nb: [1,\n---\nc: 3\n")
    assert (good, also_good) == ({"a": 1}, {"c": 3})
    assert isinstance(bad, YamlError)
    assert bad.line in (3, 4)


@pytest.mark.parametrize(
    ("text", "words", "line", "column"),
    [
        ("a: 1\na: 2\n", "occurs twice", 2, 1),
        ("# why\nb:\n  c: 1\n  a: {b: [}\n", "", 4, 11),
        ("---\n---   \nx: !!python/object:os.system {}\n", "constructor", 3, 4),
        ("a: " + "[" * 150 + "]" * 150 + "\n", "nested deeper", 1, 103),
        ("b: 1\na: *nobody\n", "undefined alias", 2, 4),
        ("\ta: 1\n", "cannot start any token", 1, 1),
        ("--- a: *x\n", "undefined alias", 1, 8),
        ("\udc80", "no Unicode", 1, 1),
    ],
)
def test_errors_say_what_and_where(text: str, words: str, line: int, column: int) -> None:
    for columns in (False, True):
        (error,) = read_documents(text, columns=columns)
        assert isinstance(error, YamlError)
        assert words in error.text
        assert (error.line, error.column) == (line, column)


def test_lines_of_fields() -> None:
    text = "# a comment\nkind: X\nspec:\n  hosts: [a]\n  http:\n  - route:\n    - weight: 1\n---\nkind: Y\n"
    first, second = (each for each in read_documents(text) if isinstance(each, YamlDocument))
    wanted = {
        "kind": 2,
        "spec": 3,
        "spec.hosts": 4,
        "spec.http": 5,
        "spec.http[0]": 6,
        "spec.http[0].route": 6,
        "spec.http[0].route[0].weight": 7,
        "spec.http[0].route[0].destination.host": 7,  # not written: the place around it
        "spec.nothing.at.all": 3,
        "elsewhere": 2,
    }
    assert {path: first.line_of(path) for path in wanted} == wanted
    assert second.line_of("kind") == 9


def test_anchors_and_merges() -> None:
    text = "base: &b {x: 1}\nuse: {<<: *b, y: 2}\nagain: *b\n"
    assert values(text) == [{"base": {"x": 1}, "use": {"x": 1, "y": 2}, "again": {"x": 1}}]


def test_keys_that_are_no_text_become_text() -> None:
    assert values("{1: a, true: b, null: c}\n") == [{"1": "a", "true": "b", "null": "c"}]


@given(st.text())
def test_any_text_is_read_without_an_exception(text: str) -> None:
    for each in read_documents(text):
        assert isinstance(each, YamlDocument | YamlError)
        assert each.line >= 1


@given(st.binary())
def test_any_bytes_too(raw: bytes) -> None:
    assert all(each.line >= 1 for each in read_documents(raw.decode("utf-8", "replace")))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcdef", min_size=1), json_values, min_size=1))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    import json

    assert values(json.dumps(value)) == [value]
