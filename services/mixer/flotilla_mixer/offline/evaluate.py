"""Expressions worked out by hand: their type, their value, and the attributes that they looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.attributes.dictionary import Dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.attributes.typed import Declared, python_types
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.expressions.languages import Language, read
from flotilla_mixer.offline.typed_values import typed_as, value_of
from flotilla_shared.model.expressions import VOCABULARY, ExpressionError, ValueType

NO_WORDS = Dictionary(())


def evaluate(
    text: str,
    bag: Mapping[str, object],
    vocabulary: Mapping[str, ValueType],
    language: Language = Language.CEXL,
) -> dict[str, Any]:
    """What becomes of an expression: `compile_error`, or `type` with `result` or `error`, and `referenced`."""
    try:
        expression, kind = read(text, vocabulary, language)
        function = compile_expression(expression, vocabulary)
    except ExpressionError as error:
        return {"compile_error": str(error)}
    asked = RequestBag(encode(bag, NO_WORDS, 0), NO_WORDS, Declared(python_types(vocabulary)))
    found: dict[str, Any] = {"type": kind.value}
    try:
        found["result"] = typed_as(kind, function(asked))
    except EvaluationError as error:
        found["error"] = str(error)
    return found | {"referenced": [_match(name, key, there) for (name, key), there in sorted(asked.asked.items())]}


def _match(name: str, key: str, there: bool) -> dict[str, str]:
    match = {"name": name, "condition": "EXACT" if there else "ABSENCE"}
    return match | {"map_key": key} if key else match


class CaseError(ValueError):
    """What stands in a line is no case; the text is a sentence without its full stop."""


def evaluate_case(
    case: object, sets: Mapping[str, Mapping[str, str]], language: Language = Language.CEXL
) -> dict[str, Any]:
    """The outcome of a case: `id`, `expression`, `input` (typed values) and the attributes that there are, by name of a
    set (`attribute_set` or `attributes`) or written out. Raises CaseError.
    """
    if not isinstance(case, Mapping) or not isinstance(case.get("expression"), str):
        raise CaseError("a case is an object with id, expression, and attributes or attribute_set")
    try:
        bag = {name: value_of(each) for name, each in (case.get("input") or {}).items()}
        return {"id": case.get("id"), **evaluate(case["expression"], bag, _types(case, sets), language)}
    except (KeyError, ValueError, TypeError, AttributeError, EvaluationError) as error:
        if isinstance(error, CaseError):
            raise
        raise CaseError(f"a value of its input or attributes cannot be read: {type(error).__name__}: {error}") from None


def _types(case: Mapping[str, Any], sets: Mapping[str, Mapping[str, str]]) -> Mapping[str, ValueType]:
    given = case.get("attributes", case.get("attribute_set"))
    if given is None:
        return VOCABULARY
    if not isinstance(given, Mapping) and given not in sets:
        known = ", ".join(sorted(sets)) or "none, for --attribute-sets was not given"
        raise CaseError(f"it names the attribute set {given!r}, and those that there are: {known}")
    return {name: ValueType(kind) for name, kind in (given if isinstance(given, Mapping) else sets[given]).items()}
