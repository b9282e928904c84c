"""Each kind of `validate` rule, as a function from a value to what is wrong with it."""

from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from validate.validate_pb2 import FieldRules

from flotilla_pilot.compile.field_rules import check_of, duration_fault


def checked(rules: dict[str, Any], value: Any) -> str:
    return check_of(json_format.ParseDict(rules, FieldRules()))(value)


@pytest.mark.parametrize(
    ("rules", "good", "bad", "words"),
    [
        ({"min_len": 1}, ["a", "ab"], [""], "must not be empty"),
        ({"min_len": 3}, ["abc"], ["ab"], "at least 3 long"),
        ({"max_len": 2}, ["", "ab"], ["abc"], "at most 2 long"),
        ({"min_bytes": 2}, ["é"], ["e"], "at least 2 long"),
        ({"max_bytes": 2}, ["é"], ["éa"], "at most 2 long"),
        ({"pattern": "^a+$"}, ["a", "aa"], ["b", ""], "must match '^a+$'"),
        ({"prefix": "x-"}, ["x-a"], ["y-a"], "must begin with 'x-'"),
        ({"in": ["a", "b"]}, ["a"], ["c"], "must be one of a, b"),
        ({"not_in": ["a"]}, ["b"], ["a"], "must not be a"),
        ({"well_known_regex": "HTTP_HEADER_NAME"}, ["x-a", ":path", ""], ["a b", "a\nb", "é"], "the name of a header"),
        ({"well_known_regex": "HTTP_HEADER_NAME", "strict": False}, ["a b"], ["a\nb"], "the name of a header"),
        ({"well_known_regex": "HTTP_HEADER_VALUE"}, ["a b", "é", "\t"], ["a\nb", "\x01"], "no line breaks"),
        ({"well_known_regex": "HTTP_HEADER_VALUE", "strict": False}, ["a\x01"], ["a\nb", "\x00"], "no line breaks"),
        ({"min_len": 3, "ignore_empty": True}, ["", "abc"], ["ab"], "at least 3 long"),
    ],
)
def test_strings(rules: dict[str, Any], good: list[str], bad: list[str], words: str) -> None:
    assert [checked({"string": rules}, value) for value in good] == [""] * len(good)
    for value in bad:
        assert words in checked({"string": rules}, value), value


@pytest.mark.parametrize("kind", ["uint32", "int32", "uint64", "int64", "double", "float"])
@pytest.mark.parametrize(
    ("rules", "good", "bad", "words"),
    [
        ({"lt": 3}, [2], [3, 4], "less than 3"),
        ({"lte": 3}, [3], [4], "at most 3"),
        ({"gt": 3}, [4], [3], "more than 3"),
        ({"gte": 3}, [3], [2], "at least 3"),
        ({"gte": 1, "lte": 3}, [1, 3], [0, 4], "must be"),
        ({"gte": 3, "ignore_empty": True}, [0, 3], [2], "at least 3"),
        ({"in": [1, 2]}, [1], [3], "must be one of"),
    ],
)
def test_numbers(kind: str, rules: dict[str, Any], good: list[int], bad: list[int], words: str) -> None:
    assert [checked({kind: rules}, value) for value in good] == [""] * len(good)
    for value in bad:
        assert words in checked({kind: rules}, value), value


@pytest.mark.parametrize(
    ("rules", "good", "bad", "words"),
    [
        ({}, [0, 1], [-1], "must not be negative"),
        ({"gt": "0s"}, [0.001, 5], [0, -1], "must"),
        ({"gte": "1s"}, [1], [0.5], "at least 1s"),
        ({"lt": "2s"}, [1.5], [2], "less than 2s"),
        ({"lte": "0.5s"}, [0.5], [0.6], "at most 0.5s"),
    ],
)
def test_durations(rules: dict[str, Any], good: list[float], bad: list[float], words: str) -> None:
    def duration(seconds: float) -> Duration:
        found = Duration()
        found.FromNanoseconds(round(seconds * 10**9))
        return found

    assert [checked({"duration": rules}, duration(value)) for value in good] == [""] * len(good)
    for value in bad:
        assert words in checked({"duration": rules}, duration(value)), value


@pytest.mark.parametrize(
    ("seconds", "nanos", "words"),
    [
        (0, 0, ""),
        (1, 5, ""),
        (-1, 0, "negative"),
        (0, -1, "negative"),
        (9_223_372_035, 0, ""),
        (9_223_372_036, 0, "292 years"),
    ],
)
def test_durations_that_envoy_takes_nowhere(seconds: int, nanos: int, words: str) -> None:
    found = duration_fault(Duration(seconds=seconds, nanos=nanos))
    assert words in found
    assert bool(found) is bool(words)


def test_enums_and_bytes() -> None:
    assert checked({"enum": {"not_in": [0]}}, 0) == "must not be 0"
    assert checked({"enum": {"defined_only": True}}, 99) == ""
    assert checked({"bytes": {"min_len": 1}}, b"") == "must not be empty"
    assert checked({"bytes": {"max_len": 1}}, b"ab") == "must be at most 1 long"


@pytest.mark.parametrize("rules", [{"message": {"required": True}}, {"bool": {"const": True}}, {}])
def test_other_rules_say_nothing_of_values(rules: dict[str, Any]) -> None:
    assert checked(rules, False) == ""
