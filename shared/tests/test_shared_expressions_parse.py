"""Expressions as texts: what they mean, where they are wrong, and that no text does harm."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_shared.model.expressions import (
    Call,
    Constant,
    Duration,
    Expression,
    ExpressionError,
    ValueType,
    Variable,
    parse,
    parse_duration,
)
from flotilla_shared.model.expressions.parser import DEEPEST, HIGHEST, LONGEST
from flotilla_shared.model.expressions.tokens import KEYWORDS

INFIX = {"LOR": "||", "LAND": "&&", "EQ": "==", "NEQ": "!=", "LT": "<", "GEQ": ">=", "ADD": "+", "OR": "|"}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a", "$a"),
        ("a.b.c", "$a.b.c"),
        ("a . b", "$a.b"),
        ('a | "x" + b', 'ADD(OR($a, "x"), $b)'),
        ('a | "x" == b', 'EQ(OR($a, "x"), $b)'),
        ("a | b | c", "OR(OR($a, $b), $c)"),
        ("a || b && c", "LOR($a, LAND($b, $c))"),
        ("(a || b) && c", "LAND(LOR($a, $b), $c)"),
        ("a == b && c != d", "LAND(EQ($a, $b), NEQ($c, $d))"),
        ('m["k"]', 'INDEX($m, "k")'),
        ('m[a.b | "k"]', 'INDEX($m, OR($a.b, "k"))'),
        ('a.b.startsWith("x")', '$a.b:startsWith("x")'),
        ('"p".matches(a)', '"p":matches($a)'),
        ('(m["k"]).endsWith("x")', 'INDEX($m, "k"):endsWith("x")'),
        ("f(a).g(b)", "f($a):g($b)"),
        ("f()", "f()"),
        ("f(a, b,)", "f($a, $b)"),
        ("!a", "NOT($a)"),
        ("a * b + c", "ADD(MUL($a, $b), $c)"),
        ("a // the rest", "$a"),
        ("a /* within */ == b", "EQ($a, $b)"),
        ("a ==\n b", "EQ($a, $b)"),
        ("a\n\n", "$a"),
    ],
)
def test_normal_form(text, form):
    assert str(parse(text)) == form


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("0", 0, ValueType.INT64),
        ("010", 10, ValueType.INT64),
        ("0" * 5000 + "7", 7, ValueType.INT64),
        ("9223372036854775807", 2**63 - 1, ValueType.INT64),
        ("1.5", 1.5, ValueType.DOUBLE),
        (".5", 0.5, ValueType.DOUBLE),
        ("1e3", 1000.0, ValueType.DOUBLE),
        ("true", True, ValueType.BOOL),
        ("FALSE", False, ValueType.BOOL),
        ('"a"', "a", ValueType.STRING),
        ('""', "", ValueType.STRING),
        (r'"a\tb\"\x41\u00e9\101"', 'a\tb"AéA', ValueType.STRING),
        (r"`a\t`", r"a\t", ValueType.STRING),
        ("'c'", "c", ValueType.STRING),
        ('"1s"', Duration(1_000_000_000), ValueType.DURATION),
        ("`-1h2m`", Duration(-3_720_000_000_000), ValueType.DURATION),
        ('"0"', Duration(0), ValueType.DURATION),
        ('"1"', "1", ValueType.STRING),
        ('"1d"', "1d", ValueType.STRING),
        ('"٣s"', "٣s", ValueType.STRING),
    ],
)
def test_literal(text, value, kind):
    found = parse(text)
    assert isinstance(found, Constant)
    assert (found.value, found.type) == (value, kind)
    assert type(found.value) is type(value)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1.5s", 1_500_000_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        (".5ms", 500_000),
        ("1.µs", 1_000),
        ("+2s", 2_000_000_000),
        ("-0", 0),
        ("0." + "1" * 5000 + "s", 111_111_111),
        ("0" * 5000 + "1s", 1_000_000_000),
        ("9223372036854775807ns", 2**63 - 1),
        ("9223372036854775808ns", None),
        ("1" * 5000 + "s", None),
        ("9999999h", None),
        ("", None),
        ("s", None),
        (".s", None),
        ("1 s", None),
        ("1s ", None),
        ("1s\n", None),
        ("--1s", None),
    ],
)
def test_duration(text, nanoseconds):
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 0, "expected an attribute, a value or a function, found the end"),
        ("a b", 2, "expected the end, found 'b'"),
        ("a = b", 2, "expected ==, found ="),
        ("a ==", 4, "found the end"),
        ("(a", 2, r"expected '\)'"),
        ("m[a", 3, "expected ']'"),
        ("f(a b)", 4, r"expected '\)'"),
        ("a.", 2, "expected a name"),
        ("a.func", 2, "expected a name, found 'func'"),
        ("a == *b", 5, r"found '\*'"),
        ("a # b", 2, "'#' cannot stand in an expression"),
        ("a == 'bc'", 5, "must be one character"),
        ('a == "b', 5, "this text is not terminated"),
        (r'a == "\q"', 5, "has an escape that is none"),
        (r'a == "\400"', 5, "is more than a byte"),
        (r'a == "\ud800"', 5, "is no character"),
        ("a /* b", 2, "this comment is not ended"),
        ("a\nb", 2, "the expression ends with the line before this"),
        ("a /* \n */ + b", 10, "the expression ends with the line before this"),
        ('a == "\0"', 5, "there is a NUL character"),
        ("a == 08", 5, "08 is no decimal number"),
        ("a == 0x10", 5, "0x10 is no decimal number"),
        ("a == 9223372036854775808", 5, "out of the range of INT64"),
        ("a == 1e999", 5, "out of the range of DOUBLE"),
        ("a == ٣", 5, "cannot stand in an expression"),
        ('m["a"].startsWith("b")', 6, "needs parentheses around the element"),
    ],
)
def test_error_says_where(text, position, said):
    with pytest.raises(ExpressionError, match=said) as caught:
        parse(text)
    assert caught.value.position == position
    assert str(caught.value) == f"{caught.value.text} (at character {position + 1})"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a" * (LONGEST + 1), "the most is"),
        ("(" * 8000 + "a" + ")" * 8000, "nested more than"),
        ("!" * 8000 + "a", "nested more than"),
        ("f(" * 100 + ")" * 100, "nested more than"),
        ("m" + "[a]" * 5000, "within one another"),
        ('("x")' + ".f()" * 4000, "within one another"),
        ("+".join(["a"] * 300), "in a row"),
        ("(" * 5 + "a" + ("+a" * 100 + ")") * 5, "within one another"),
    ],
)
def test_too_much_is_refused(text, said):
    with pytest.raises(ExpressionError, match=said):
        parse(text)


def test_much_is_not_too_much():
    parse("(" * (DEEPEST - 1) + "a" + ")" * (DEEPEST - 1))
    tall = parse(" + ".join(["a"] * (HIGHEST + 1)))
    assert str(tall).count("ADD") == HIGHEST
    again = parse("+".join(["a"] * (HIGHEST + 1)))
    assert tall == again
    assert hash(tall) == hash(again)


@pytest.mark.parametrize("part", ["1", "1.", "(", "/*", '"', "\\", "`", "a.", "a|", "[", "1s", "//", "\n", "é"])
def test_reading_takes_time_in_proportion_to_the_text(part):
    for text in (part * (LONGEST // len(part)), f'"{part * (LONGEST // len(part) - 2)}"'):
        started = time.process_time()
        with contextlib.suppress(ExpressionError):
            parse(text)
        assert time.process_time() - started < 1


def test_positions_are_those_of_operators_and_names():
    found = parse("a == f(b)")
    assert isinstance(found, Call)
    assert (found.position, found.arguments[0].position, found.arguments[1].position) == (2, 0, 5)
    assert found == parse("a==f( b )")


# Texts that are nearly expressions find more than any text does.
WORDS = """a b.c . f ( ) [ ] , 1 0x 1.5e "s" "1s" " ' ` \\ /* // | || && == = ! < + - * true func ٣"""
PARTS = st.sampled_from([*WORDS.split(), " ", "\n", "\0", "\udc80"])
TEXTS = st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=30).map("".join))


def outcome(text: str) -> Expression | ExpressionError:
    try:
        return parse(text)
    except ExpressionError as error:
        return error


@given(TEXTS)
def test_any_text_parses_or_is_an_expression_error(text):
    found = outcome(text)
    if isinstance(found, ExpressionError):
        assert found.position is None or 0 <= found.position <= len(text)
    else:
        assert parse(written(found)) == found


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: name not in KEYWORDS | {"true", "false"}
)
CONSTANTS = st.sampled_from(["1", "1.5", '"x"', "`y`", "'z'", '"1s"', "true"]).map(parse)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: Variable(".".join(names)))


def calls(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    operators = st.builds(Call, st.sampled_from(sorted(INFIX)), st.tuples(inner, inner))
    indices = st.builds(Call, st.just("INDEX"), st.tuples(inner, inner))
    functions = st.builds(Call, NAMES, st.lists(inner, max_size=3).map(tuple), st.none() | inner)
    return operators | indices | functions


@given(st.recursive(CONSTANTS | PATHS, calls, max_leaves=15))
def test_what_is_written_is_read_again(tree):
    assert parse(written(tree)) == tree


def written(tree: Expression) -> str:
    """The text of a tree, with parentheses wherever there may be any."""
    if isinstance(tree, Constant):
        return tree.text
    if isinstance(tree, Variable):
        return tree.name
    if tree.name == "INDEX":
        found, key = map(written, tree.arguments)
        return f"({found})[{key}]"
    if (operator := OPERATORS.get((tree.name, len(tree.arguments)))) and tree.target is None:
        parts = [f"({written(each)})" for each in tree.arguments]
        return f" {operator} ".join(parts) if len(parts) == 2 else f"{operator}{parts[0]}"
    head = "" if tree.target is None else f"{target_of(tree.target)}."
    return f"{head}{tree.name}({', '.join(map(written, tree.arguments))})"


def target_of(tree: Expression) -> str:
    return tree.name if isinstance(tree, Variable) else f"({written(tree)})"


OPERATORS = {(name, 2): sign for name, sign in INFIX.items()} | {
    ("LEQ", 2): "<=",
    ("GT", 2): ">",
    ("SUB", 2): "-",
    ("MUL", 2): "*",
    ("XOR", 2): "^",
    ("NOT", 1): "!",
    ("SUB", 1): "-",
    ("ADD", 1): "+",
}
