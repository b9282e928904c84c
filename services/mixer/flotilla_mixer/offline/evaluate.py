"""Expressions worked out by hand: their type, their value, and the attributes that they looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.attributes.typed import python_types
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.offline.typed_values import typed_as, value_of
from flotilla_shared.model.expressions import ExpressionError, ValueType, check, parse

NO_WORDS = Dictionary(())


def evaluate(text: str, bag: Mapping[str, object], vocabulary: Mapping[str, ValueType]) -> dict[str, Any]:
    """What becomes of an expression: `compile_error`, or `type` with `result` or `error`, and `referenced`."""
    try:
        expression = parse(text)
        kind = check(expression, vocabulary)
        function = compile_expression(expression, vocabulary)
    except ExpressionError as error:
        return {"compile_error": str(error)}
    asked = RequestBag(encode(bag, NO_WORDS, 0), NO_WORDS, python_types(vocabulary))
    found: dict[str, Any] = {"type": kind.value}
    try:
        found["result"] = typed_as(kind, function(asked))
    except EvaluationError as error:
        found["error"] = str(error)
    return found | {"referenced": [_match(name, key, there) for (name, key), there in sorted(asked.asked.items())]}


def _match(name: str, key: str, there: bool) -> dict[str, str]:
    match = {"name": name, "condition": "EXACT" if there else "ABSENCE"}
    return match | {"map_key": key} if key else match


def evaluate_case(case: Mapping[str, Any], sets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The outcome of a case: `id`, `expression`, `input` (typed values) and the attributes that there are, by name of a
    set (`attribute_set` or `attributes`) or written out. Raises KeyError for a set that is not there.
    """
    given = case.get("attributes", case.get("attribute_set"))
    types = given if isinstance(given, Mapping) else sets[str(given)]
    vocabulary = {name: ValueType(kind) for name, kind in types.items()}
    bag = {name: value_of(each) for name, each in (case.get("input") or {}).items()}
    return {"id": case["id"], **evaluate(case["expression"], bag, vocabulary)}
