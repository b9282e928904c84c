"""CEL beside what 1.4's cases ask: its syntax, its functions, what it refuses, and that it is compiled."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_mixer.expressions.compile import EvaluationError, compile_expression, compile_rows
from flotilla_mixer.expressions.languages import Language, read
from flotilla_shared.model.expressions import VOCABULARY, Duration, ExpressionError, Timestamp, ValueType
from flotilla_shared.testing.properties import examples

WORDS = {**VOCABULARY, "one": ValueType.INT64, "name": ValueType.STRING}
BAG = {
    "request.headers": {"host": "books", "x-id": "7"},
    "request.size": 100,
    "request.time": Timestamp(1_500_000_000_123_000_000),
    "response.duration": Duration(90_500_000_000),
    "source.ip": b"\x7f\0\0\1",
    "source.name": "web",
    "connection.mtls": True,
    "one": 1,
}


def value(text: str, language: Language = Language.CEL, **more: object) -> Any:
    expression, _ = read(text, WORDS, language)
    return compile_expression(expression, WORDS)({**BAG, **more})


VALUES: list[tuple[str, object]] = [
    # literals
    ("0x1F", 31),
    ("-7", -7),
    ("1.5e3", 1500.0),
    (".5", 0.5),
    (r"'a\tb\x41\u00e9\101\\'", "a\tbA\u00e9A\\"),
    (r"r'a\tb'", r"a\tb"),
    ('"""a\n"b"""', 'a\n"b'),
    ("'a' + \"b\" // the end", "ab"),
    ("true", True),
    # operators, and how tightly they bind
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("7 / -2", -3),
    ("-7 % 3", -1),
    ("7.0 / 2.0", 3.5),
    ("1 - 2 - 3", -4),
    ("!(1 < 2) || 2 >= 2 && 'a' != 'b'", True),
    ("1 == 1 ? 'yes' : 'no'", "yes"),
    ("false ? 1 : true ? 2 : 3", 2),
    ("--one", 1),
    ("9223372036854775807 + 1", -(2**63)),
    ("duration('1h') - duration('30m') == duration('1800s')", True),
    ("request.time - request.time == duration('0s')", True),
    ("request.time - duration('1s') < request.time", True),
    ("'b' in ['a', 'b']", True),
    ("'b' in {'a': 1}", False),
    ("'host' in request.headers", True),
    ("[1, 2][1] + {'a': 5}['a']", 7),
    ("[1] == [1] && {'a': 1} == {'a': 1}", True),
    # attributes, present and absent
    ("source.name", "web"),
    ("source.ip == ip('127.0.0.1')", True),
    ("request.headers.host", "books"),
    ("request.headers['x-id']", "7"),
    ("destination.name", ""),
    ("request.total_size", 0),
    ("connection.mtls ? source.name : destination.name", "web"),
    ("has(source.name) && !has(destination.name)", True),
    ("has(request.headers.host) && !has(request.headers.other)", True),
    ("pick(destination.name, request.headers['other'], request.headers.host, 'x')", "books"),
    ("pick(destination.name, 'x') + '!'", "x!"),
    ("pick(source.name)", "web"),
    # functions
    ("size('h\u00e9') + size([1, 2]) + size({'a': 1}) + size(b'abc')", 8),
    ("'abc'.contains('bc') && 'abc'.endsWith('c')", True),
    ("matches('abc', '^a') && 'abc'.matches('b')", True),
    ("match('abc', 'a*')", True),
    ("toLower('ABC') + 'ABC'.toLower()", "abcabc"),
    ("int('12') + int(3.9) + int(timestamp('1970-01-01T00:00:09Z'))", 24),
    ("double(3) + double('0.5')", 3.5),
    ("string(7) + string(b'a')", "7a"),
    ("uint(3) == 3u", True),
    ("type(request.size) == int && type('a') != int", True),
    ("request.time.getFullYear() * 100 + request.time.getMonth()", 201706),
    ("request.time.getHours('Asia/Tokyo') - request.time.getHours()", 9),
    ("request.time.getMilliseconds()", 123),
    ("request.time.getDayOfWeek() * 100 + request.time.getDate()", 514),
    ("response.duration.getMinutes() * 100 + response.duration.getSeconds()", 190),
    ("dyn(request.size) == 100", True),
    # macros over what is written out
    ("[1, 2, 3].all(n, n > 0) && [1, 2].exists(n, n == 2)", True),
    ("[1, 2, 2].exists_one(n, n == 2)", False),
    ("[1, 2, 3].filter(n, n > 1).map(n, n * 2)[1]", 6),
    ("['host', 'other'].exists(key, key in request.headers)", True),
    ("[[1, 2], [3]].all(list, list.all(n, n > 0))", True),
    ("['a'].all(source, source == 'a')", True),  # a variable hides an attribute
    ("google.protobuf.StringValue{value: 'a'} + google.protobuf.StringValue{}", "a"),
    # what is decided counts, whatever the other side does
    ("1 / 0 == 1 || true", True),
    ("true || 1 / 0 == 1", True),
    ("request.headers['other'] == 'a' && false", False),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_values(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


FAILURES = [
    ("1 / 0", "divide by zero"),
    ("1 % 0", "modulus by zero"),
    ("1 / 0 == 1 || false", "divide by zero"),
    ("request.headers['other']", "no such key: 'other'"),
    ("request.headers.other", "no such key: 'other'"),
    ("[1][2]", "out of range"),
    ("int('a')", "no integer"),
    ("double('a')", "no number"),
    ("duration('a')", "no duration"),
    ("string(b'\\xff')", "no text"),
    ("'a'.matches('(')", "error parsing regexp"),
    ("request.time.getHours('Nowhere')", "no such moment"),
    ("1u - 2u == 1u", "below zero"),
    ("size(request.headers)", "size not implemented"),
    ("request.headers == response.headers", "does not support equality"),
]


@pytest.mark.parametrize(("text", "said"), FAILURES)
def test_failures(text: str, said: str) -> None:
    with pytest.raises(EvaluationError, match=said.replace("(", r"\(")):
        value(text)


REFUSED = [
    ("", "a value must stand where the end stands"),
    ("1 +", "a value must stand"),
    ("(1", "')' must stand where the end stands"),
    ("1 2", "cannot stand here"),
    ("a b", "cannot stand here"),
    ("'a", "cannot stand here"),
    (r"'\q'", "is no escape"),
    (r"'\ud800'", "is no character"),
    ("9223372036854775808", "too large"),
    ("a.1", "cannot stand here"),
    ("x", "undeclared reference to 'x'"),
    ("source.nmae", "undeclared reference to 'source.nmae'"),
    ("source.name.first", "does not support field selection"),
    ("foo(1)", "undeclared reference to 'foo'"),
    ("1 == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
    ("request.size + 1.5", "found no matching overload for '_+_' applied to '(int, double)'"),
    ("!1", "found no matching overload for '!_' applied to '(int)'"),
    ("1 && true", "found no matching overload for '_&&_'"),
    ("source.ip < source.ip", "found no matching overload for '_<_'"),
    ("size()", "found no matching overload for 'size' applied to '()'"),
    ("startsWith('a', 'b')", "found no matching overload for 'startsWith'"),
    ("'a'.ip()", "found no matching overload for 'ip'"),
    ("1 ? 2 : 3", "found no matching overload for '_?_:_'"),
    ("true ? 1 : 'a'", "found no matching overload for '_?_:_'"),
    ("pick(source.name, 1)", "found no matching overload for '_?_:_'"),
    ("pick()", "needs something to pick from"),
    ("conditional(true, 1)", "takes a condition and two values"),
    ("has(source)", "takes one part of a name"),
    ("has(request.headers['a'])", "takes one part of a name"),
    ("has([1].b)", "does not support field selection"),
    ("request.headers.all(k, true)", "only keys can be asked for"),
    ("[1].map(1, 2)", "takes the name of a variable"),
    ("[1].all(n, n)", "found no matching overload for 'all'"),
    ("pick(source.labels, {'a': 'b'}).all(k, true)", "only keys can be asked for"),
    ("[pick(source.name, 'a')].all(n, true)", "cannot go through what pick"),
    ("[1, 'a'][0]", "its type is not known"),
    ("[1]", "no type of attributes"),
    ("null", "no type of attributes"),
    ("google.protobuf.Any{}", "undeclared reference to 'google.protobuf.Any'"),
    ("google.protobuf.Int64Value{value: 'a'}", "expected type of field 'value'"),
    ("(" * 100 + "1" + ")" * 100, "too deep"),
    ("-" * 100 + "one", "too deep"),
    ("1" * 200_000, "longer than"),
    ("+".join(["one"] * 5000), "too deep"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=lambda each: str(each)[:40])
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        read(text, WORDS, Language.CEL)
    assert said in str(raised.value)


def test_it_is_compiled_like_everything_else() -> None:
    """One function for all expressions of an instance, of both languages, and nothing that walks trees."""
    cel, _ = read("pick(destination.name, source.name, 'x')", WORDS, Language.CEL)
    cexl, _ = read('destination.name | source.name | "x"', WORDS)
    other, _ = read("request.time - duration('1s')", WORDS, Language.CEL)
    rows = compile_rows([[cel, cexl, other]], WORDS)
    assert isinstance(rows, FunctionType)
    assert rows(BAG) == (("web", "web", BAG["request.time"] - 1_000_000_000),)  # type: ignore[operator]


COMPAT = [
    ('destination.name | source.name | "x"', "web"),
    ('destination.name | request.headers["other"] | "x"', "x"),
    ('(request.headers["host"] | "a") == "books"', True),
    ('name | "x"', ""),  # of a name of one word nobody knows whether it is there
    ('destination.name == ""', True),
    ('conditional(connection.mtls, "a", "b")', "a"),
    ('response.duration > "1m"', True),
    ("!connection.mtls", False),
]


@pytest.mark.parametrize(("text", "expected"), COMPAT)
def test_cexl_with_cels_meaning(text: str, expected: object) -> None:
    assert value(text, Language.COMPAT) == expected


SIGNS = [*"()[]{}.,:?!-+*/%<>'\"&|=\\", "&&", "||", "==", "in", "has(", "pick(", "size(", ".all(n, ", ".map(n, "]
OPERANDS = [
    "1",
    "2u",
    "1.5",
    "'a'",
    "b'a'",
    "true",
    "null",
    "n",
    "name",
    "source",
    "source.name",
    "request.headers",
    "source.ip",
]
PIECES = st.sampled_from([*SIGNS, *OPERANDS, "request.time"])


@settings(max_examples=examples(150))
@given(st.lists(PIECES, max_size=14).map(" ".join), st.sampled_from([Language.CEL, Language.COMPAT]))
def test_any_text_is_read_or_refused(text: str, language: Language) -> None:
    """And what is read gives a value or fails by EvaluationError, whatever the bag holds."""
    try:
        expression, kind = read(text, WORDS, language)
    except ExpressionError:
        return
    assert isinstance(kind, ValueType)
    function = compile_expression(expression, WORDS)
    for bag in (BAG, {}):
        try:
            function(bag)
        except EvaluationError:
            continue
