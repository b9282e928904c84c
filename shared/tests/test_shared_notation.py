"""YAML to plain data: aliases, merges, tags and limits. Scalars and lines: Galley's tests of its documents."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from flotilla_shared.notation.values import ValueReader, read_value

READ: list[tuple[str, Any]] = [
    ("", None),
    ("# nothing\n", None),
    ("a: &x {k: [1]}\nb: *x\n", {"a": {"k": [1]}, "b": {"k": [1]}}),
    ("a: &x 1\nb: {*x : 2}\n", {"a": 1, "b": {"1": 2}}),
    ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
    # What a mapping says itself counts more than what is merged, wherever it stands; of merged ones the first.
    ("a: &x {k: 1, l: 1}\nb: {k: 2, <<: *x}\n", {"a": {"k": 1, "l": 1}, "b": {"k": 2, "l": 1}}),
    (
        "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}\n",
        {"a": {"k": 1}, "b": {"k": 2, "m": 3}, "c": {"k": 1, "m": 3}},
    ),
    ("'<<': 1\n", {"<<": 1}),
    ("a: =\nb: <<\n", {"a": "=", "b": "<<"}),
    (
        "a: !!str 1\nb: !!int '2'\nc: !!float 3\nd: !!bool yes\ne: !!null x\nf: ! 1\n",
        {"a": "1", "b": 2, "c": 3.0, "d": True, "e": None, "f": "1"},
    ),
    ("a: !!timestamp 2024-01-01\n", {"a": "2024-01-01"}),
    ("a: 0o17\nb: 0x1F\nc: +5\nd: 007\ne: 1_000\n", {"a": 15, "b": 31, "c": 5, "d": 7.0, "e": "1_000"}),
    ("a: 1e999\n", {"a": math.inf}),
    ("a: yes\nb: Off\nc: yEs\n", {"a": True, "b": False, "c": "yEs"}),
    ("a:\nb: ''\nc: Null\n", {"a": None, "b": "", "c": None}),
]
REFUSED = [
    ("a: &x [*x]\n", "undefined alias 'x'"),
    ("a: &x {<<: *x}\n", "undefined alias 'x'"),
    ("a: &x 1\nb: {<<: *x}\n", "only mappings can be merged"),
    ("{[1]: 2}\n", "a key must be text"),
    ("a: !!binary aGk=\n", "no constructor for the tag"),
    ("a: !!set {b}\n", "no constructor for the tag"),
    ("a: !!int x\n", "'x' is no number"),
    ("a: !!bool 1\n", "neither true nor false"),
    ("a: 1\n---\nb: 2\n", "one more document"),
    ("a: \ud800\n", "no Unicode text"),
    ("a: 1\nA: 1\na: 2\n", "key 'a' occurs twice"),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_what_is_read(text: str, value: Any) -> None:
    found = read_value(text)
    assert (found, repr(found)) == (value, repr(value))


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        read_value(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "values"), [("[1, 2]", 3), ("{a: 1}", 3), ("[&x [1], *x, *x]", 9), ("[&x {a: 1}, <<, *x]", 9)]
)
def test_values_are_counted_those_of_aliases_each_time(text: str, values: int) -> None:
    read_value(text, values)
    with pytest.raises(yaml.YAMLError, match=f"more than {values - 1} values"):
        read_value(text, values - 1)


def test_documents_of_one_text_count_for_themselves() -> None:
    reader = ValueReader("&x [1, 2]\n---\n[3]\n---\n*x\n", most=3)
    assert [reader.next(None), reader.next(None)] == [[1, 2], [3]]
    with pytest.raises(yaml.YAMLError, match="undefined alias"):
        reader.next(None)


LETTERS = st.text("ab:-[]{}&*!|>'\"#%@`,?\n \t<\\0\x00\u2028é", max_size=60)


@given(LETTERS | st.binary(max_size=60))
@example("&a : *a")
@example("!<tag:yaml.org,2002:seq> {}")
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        read_value(text)
    except yaml.YAMLError:
        return


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text("abc 1-"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    )
)
def test_what_pyyaml_writes_is_read(value: Any) -> None:
    assert read_value(yaml.safe_dump(value)) == json.loads(json.dumps(value))
