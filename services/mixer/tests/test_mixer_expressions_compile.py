"""Expressions as functions: fallbacks, absence, laziness; and that they do what a plain evaluator of trees does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.expressions import functions
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression, compile_row, compile_rows
from flotilla_shared.model.expressions import (
    Call,
    Constant,
    Duration,
    Expression,
    ExpressionError,
    Timestamp,
    ValueType,
    Variable,
    check,
    parse,
)
from flotilla_shared.model.expressions.parser import HIGHEST

T = ValueType
ATTRIBUTES = {
    "s": T.STRING,
    "r": T.STRING,
    "m": T.STRING_MAP,
    "n": T.STRING_MAP,
    "i": T.INT64,
    "j": T.INT64,
    "d": T.DOUBLE,
    "b": T.BOOL,
    "c": T.BOOL,
    "t": T.TIMESTAMP,
    "u": T.DURATION,
    "ip": T.IP_ADDRESS,
    "dns": T.DNS_NAME,
}


def evaluate(text: str, bag: Mapping[str, object]) -> object:
    return compile_expression(text, ATTRIBUTES)(bag)


@pytest.mark.parametrize(
    ("text", "bag", "value"),
    [
        # absence falls through, as far as the last
        ('s | "x"', {}, "x"),
        ('s | "x"', {"s": ""}, ""),
        ("s | r", {"r": "2"}, "2"),
        ('s | r | "x"', {}, "x"),
        ('s | (r | "x")', {}, "x"),
        ("b | true", {"b": False}, False),
        ("i | 7", {"i": 0}, 0),
        # of a map: the map, the key, and the attribute that is the key
        ('m["k"]', {"m": {}}, ""),
        ('m["k"] | "x"', {}, "x"),
        ('m["k"] | "x"', {"m": {}}, "x"),
        ('m["k"] | "x"', {"m": {"k": ""}}, ""),
        ('m[s] | "x"', {"m": {"k": "1"}}, "x"),
        ('m[s] | "x"', {"m": {"k": "1"}, "s": "k"}, "1"),
        ('m[n["a"]] | "x"', {"m": {"k": "1"}, "n": {"a": "k"}}, "1"),
        ('m[n["a"]] | "x"', {"m": {"k": "1"}, "n": {}}, "x"),
        ('m[s | "k"] | "x"', {"m": {"k": "1"}}, "1"),
        ('(m | n)["k"] | "x"', {"n": {"k": "1"}}, "1"),
        ('(m | n)["k"] | "x"', {}, "x"),
        ('m["a"] | m["b"] | n["c"] | "x"', {"m": {"b": "2"}}, "2"),
        ('(m | emptyStringMap())["k"]', {}, ""),
        # what is always there leaves the right side dead, unlike 1.4 [Q]
        ("(i == 1) | true", {"i": 2}, False),
        ("i + j | 3", {"i": 1, "j": 1}, 2),
        ("size(s) | i", {"s": "abc"}, 3),
        ('"x" | s', {}, "x"),
        # what is not needed is not looked at
        ("b && c", {"b": False}, False),
        ("b || c", {"b": True}, True),
        ("conditional(b, s, r)", {"b": True, "s": "1"}, "1"),
        ("conditional(b, s, r)", {"b": False, "r": "2"}, "2"),
        # 64 bits
        ("i + j", {"i": 2**63 - 1, "j": 1}, -(2**63)),
        ("i + j", {"i": -(2**63), "j": -1}, 2**63 - 1),
        ("d + 0.5", {"d": 1.0}, 1.5),
        ("s + r", {"s": "a", "r": "b"}, "ab"),
        # comparisons
        ("t < t", {"t": Timestamp(1)}, False),
        ("t <= t", {"t": Timestamp(1)}, True),
        ("d != d", {"d": float("nan")}, True),
        ("s < r", {"s": "\uffff", "r": "\U00010000"}, True),
        ("u", {"u": Duration(5)}, Duration(5)),
        ('u | "5ns"', {}, Duration(5)),
        ("ip == ip", {"ip": b"\1\2\3\4"}, True),
        ('ip == ip("1.2.3.4")', {"ip": b"\1\2\3\4"}, True),
        ('ip != ip("1.2.3.4")', {"ip": b"\1\2\3\5"}, True),
        # one argument too many: the last are taken where they fit, and the first where they do not
        ("size(s, i)", {"s": "a"}, 1),
        ('match(s, "ab", "a*")', {"s": "x"}, True),
        ('s.startsWith("ab", "a")', {"s": "x"}, True),
        ('toLower("A", i)', {}, "a"),
        ('conditionalString(b, s, "X", "Y")', {"b": True, "s": "a"}, "a"),
    ],
)
def test_value(text, bag, value):
    found = evaluate(text, bag)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "bag", "said"),
    [
        ("s", {}, "lookup failed: 's'"),
        ("s | r", {}, "lookup failed: 'r'"),
        ('s | m["k"]', {}, "lookup failed: 'm'"),
        ('s | (r | m["k"])', {}, "lookup failed: 'm'"),
        ('m["k"]', {}, "lookup failed: 'm'"),
        ("m[s]", {"m": {}}, "lookup failed: 's'"),
        ('toLower(s) | "x"', {}, "lookup failed: 's'"),
        ("(i == 1) | true", {}, "lookup failed: 'i'"),
        ('conditional(b, s, r) | "x"', {"b": True}, "lookup failed: 's'"),
        ("conditionalString(b, s, r)", {}, "lookup failed: 'b'"),
        ("conditionalString(b, s, r)", {"b": True, "s": "a"}, "lookup failed: 'r'"),
        ('ip("1.2.3.4", "x")', {}, "could not convert x to IP_ADDRESS"),
        ('ip(s, "1.2.3.4")', {}, "lookup failed: 's'"),
        ("b && c", {"b": True}, "lookup failed: 'c'"),
        ("ip(s)", {"s": "x"}, "could not convert x to IP_ADDRESS"),
    ],
)
def test_error(text, bag, said):
    with pytest.raises(EvaluationError) as caught:
        evaluate(text, bag)
    assert str(caught.value) == said


# The bag is made by Mixer itself, which gives every attribute its declared type: a value of another type is an error
# where an operation trips over it, and is not looked for.
@pytest.mark.parametrize(
    ("text", "bag"),
    [
        ("match(s, r)", {"s": 20, "r": "*"}),
        ("size(s)", {"s": b"x"}),
        ("s.startsWith(r)", {"s": b"x", "r": "y"}),
        ('m["k"]', {"m": "text"}),
        ('m["k"] | "x"', {"m": 1}),
        ("i + j", {"i": "x", "j": "y"}),
        ('ip == ip("1.2.3.4")', {"ip": "text"}),
        ("s.matches(r)", {"s": "x", "r": "\udc80"}),
    ],
)
def test_a_value_of_a_wrong_type_is_no_accident(text, bag):
    with pytest.raises(EvaluationError, match="error converting"):
        evaluate(text, bag)


@pytest.mark.parametrize("text", ["", "s ==", "s == i", "x", "u == u", "b < b", "s + 1", "f(s)", "m == n"])
def test_refused_before_it_runs(text):
    with pytest.raises(ExpressionError):
        compile_expression(text, ATTRIBUTES)


@pytest.mark.parametrize(
    "value", ['"', "'", "\\", "\n", '"); import os; ("', "{s}", "%s", "bag", "ABSENT", "\1", "é", "\U0001f600", "${x}"]
)
def test_text_stays_text(value):
    written = '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    assert evaluate(written, {}) == value
    assert evaluate(f"s == {written}", {"s": value}) is True
    assert evaluate(f"m[{written}]", {"m": {value: "1"}}) == "1"


@pytest.mark.parametrize("name", ["bag", "ABSENT", "wrapped", "value_1", "constant_1", "None", "lambda", "__class__"])
def test_an_attribute_may_have_any_name(name):
    function = compile_expression(f'{name} | "x" + s', {name: T.STRING, "s": T.STRING})
    assert function({name: "1", "s": "2"}) == "12"
    assert function({"s": "2"}) == "x2"


@pytest.mark.parametrize("operator", ["+", "|", "<", "=="])
def test_a_long_row_of_operators(operator):
    row = f" {operator} ".join(["s"] * (HIGHEST if operator in "+|" else 2))
    assert evaluate(row, {"s": "a"}) in ("a" * HIGHEST, "a", True, False)


@pytest.mark.parametrize(("operator", "value"), [("&&", True), ("||", True), ("==", True), ("!=", False)])
def test_a_long_row_of_conditions(operator, value):
    row = f" {operator} ".join(["b"] * HIGHEST)
    assert evaluate(row, {"b": True}) is (value if operator != "!=" else HIGHEST % 2 == 1)


def test_a_long_row_on_a_deep_stack():
    def deep(frames: int) -> object:
        return deep(frames - 1) if frames else evaluate("+".join(["i"] * HIGHEST), {"i": 1})

    assert deep(200) == HIGHEST


def test_many_in_one_function():
    trees = [parse('s | "x"'), None, parse("i + 1"), parse('m["k"] | s | "y"')]
    row = compile_row(trees, ATTRIBUTES)
    assert row({"i": 1}) == ("x", None, 2, "y")
    assert row({"i": 1, "s": "z"}) == ("z", None, 2, "z")
    with pytest.raises(EvaluationError, match="lookup failed: 'i'"):
        row({})
    groups = compile_rows([trees[:1], [], [parse("j"), parse('"1s"')]], ATTRIBUTES)
    assert groups({"j": 3}) == (("x",), (), (3, Duration(1_000_000_000)))


# Against an evaluator that reads mixer.md 3.4 word by word and knows nothing of code.

TEXTS = st.sampled_from(["", "a", "b", "a*", "*b"])
CONSTANTS = {
    T.STRING: ['"a"', '""', '"k"'],
    T.INT64: ["0", "3", str(2**63 - 1)],
    T.DOUBLE: ["1.5"],
    T.BOOL: ["true", "false"],
    T.DURATION: ['"1s"'],
}
VALUES: dict[ValueType, st.SearchStrategy[Any]] = {
    T.STRING: TEXTS,
    T.STRING_MAP: st.dictionaries(st.sampled_from(["a", "k"]), TEXTS, max_size=2),
    T.INT64: st.integers(-(2**63), 2**63 - 1),
    T.DOUBLE: st.floats(allow_nan=False),
    T.BOOL: st.booleans(),
    T.TIMESTAMP: st.integers(0, 9).map(Timestamp),
    T.DURATION: st.integers(0, 9).map(Duration),
    T.IP_ADDRESS: st.binary(min_size=4, max_size=4),
    T.DNS_NAME: st.sampled_from(["a.b", "A.b", "c"]),
}
BAGS = st.fixed_dictionaries({}, optional={name: VALUES[kind] for name, kind in ATTRIBUTES.items()})


@cache
def trees(kind: ValueType, depth: int) -> st.SearchStrategy[Expression]:
    """Expressions of a type."""
    leaves = [Variable(name) for name, each in ATTRIBUTES.items() if each is kind]
    found = st.sampled_from([*leaves, *map(parse, CONSTANTS.get(kind, []))])
    if not depth:
        return found

    def call(name: str, *kinds: ValueType) -> st.SearchStrategy[Expression]:
        return st.builds(Call, st.just(name), st.tuples(*(trees(each, depth - 1) for each in kinds)))

    found |= call("OR", kind, kind) | call("conditional", T.BOOL, kind, kind)
    if kind is T.STRING:
        found |= call("INDEX", T.STRING_MAP, T.STRING) | call("ADD", T.STRING, T.STRING)
    if kind is T.INT64:
        found |= call("ADD", T.INT64, T.INT64) | call("size", T.STRING)
    if kind is T.BOOL:
        found |= call("LAND", T.BOOL, T.BOOL) | call("LOR", T.BOOL, T.BOOL) | call("EQ", T.DNS_NAME, T.DNS_NAME)
        found |= call("EQ", T.STRING, T.STRING) | call("LT", T.INT64, T.INT64) | call("match", T.STRING, T.STRING)
    return found


MISSING = object()
STRICT: dict[str, Any] = {
    "EQ": lambda left, right: left.lower() == right.lower(),
    "LT": lambda left, right: left < right,
    "size": len,
    "match": functions.match,
}


def plain(tree: Expression, bag: Mapping[str, Any], *, soft: bool = False) -> Any:
    """The value of a tree; where it is `soft`, on the left of a fallback, MISSING for what is not there."""
    if isinstance(tree, Constant):
        return tree.value
    if isinstance(tree, Variable):
        if tree.name in bag or soft:
            return bag.get(tree.name, MISSING)
        raise EvaluationError(f"lookup failed: '{tree.name}'")
    match tree.name, tree.arguments:
        case "OR", (left, right):
            found = plain(left, bag, soft=True)
            return plain(right, bag, soft=soft) if found is MISSING else found
        case "INDEX", (left, right):
            return plain_index(left, right, bag, soft)
        case "LAND", (left, right):
            return plain(left, bag) and plain(right, bag)
        case "LOR", (left, right):
            return plain(left, bag) or plain(right, bag)
        case "conditional", (condition, chosen, other):
            return plain(chosen if plain(condition, bag) else other, bag)
        case "ADD", (left, right):
            return plain_sum(plain(left, bag), plain(right, bag))
    # DNS names that differ in case only are the same; texts are not.
    values = [plain(each, bag) for each in tree.arguments]
    if tree.name == "EQ" and check(tree.arguments[0], ATTRIBUTES) is T.STRING:
        return values[0] == values[1]
    return STRICT[tree.name](*values)


def plain_index(left: Expression, right: Expression, bag: Mapping[str, Any], soft: bool) -> Any:
    where = plain(left, bag, soft=soft)
    key = MISSING if where is MISSING else plain(right, bag, soft=soft)
    return MISSING if key is MISSING else where.get(key, MISSING if soft else "")


def plain_sum(left: Any, right: Any) -> Any:
    total = left + right
    return (total + 2**63) % 2**64 - 2**63 if isinstance(total, int) else total


def outcome(function: Any, bag: Mapping[str, object]) -> tuple[str, object]:
    try:
        return "value", function(bag)
    except EvaluationError as error:
        return "error", str(error)


@given(st.data(), st.sampled_from([T.STRING, T.BOOL, T.INT64]), BAGS)
def test_the_function_does_what_the_tree_says(data, kind, bag):
    tree = data.draw(trees(kind, 3))
    assert check(tree, ATTRIBUTES) is kind
    wanted = outcome(lambda given: plain(tree, given), bag)
    assert outcome(compile_expression(tree, ATTRIBUTES), bag) == wanted
    assert outcome(compile_row([tree], ATTRIBUTES), bag) == (
        wanted if wanted[0] == "error" else ("value", (wanted[1],))
    )
