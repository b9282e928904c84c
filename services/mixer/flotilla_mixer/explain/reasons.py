"""Why a condition holds or does not: the values of what it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_mixer.explain.infix import written
from flotilla_mixer.explain.plain import plain
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.expressions.languages import CelExpression, Language, read
from flotilla_shared.model.expressions import Call, Constant, Expression, ExpressionError, ValueType, Variable, parse

MOST = 60
JOINS = ("LAND", "LOR")


def judged(
    match: str,
    bag: Mapping[str, object],
    vocabulary: Mapping[str, ValueType],
    language: Language = Language.CEXL,
) -> dict[str, Any]:
    """`holds`, `error` if it cannot be judged (it then does not hold), and `because`: its parts with their values, the
    attributes last. In other languages than CEXL only the whole is judged. `bag` remembers nothing that counts.
    """
    if not match or match.lower() == "true":
        return {"holds": True}
    try:
        tree, _ = read(match, vocabulary, language)
    except ExpressionError as error:
        return {"holds": False, "error": str(error)} | _reasons(match, bag, vocabulary, language)
    found = _value(tree, bag, vocabulary)
    outcome: dict[str, Any] = {"holds": found.get("value") is True} | _reasons(match, bag, vocabulary, language)
    if "value" not in found:
        outcome["error"] = found.get("error", f"lookup failed: '{match}'")
    return outcome


def _reasons(
    match: str, bag: Mapping[str, object], vocabulary: Mapping[str, ValueType], language: Language
) -> dict[str, Any]:
    """Of an expression that cannot be compiled as a whole too: its parts may have values."""
    if language is not Language.CEXL:
        return {"language": language.value}
    try:
        parts = _parts(parse(match))
    except ExpressionError:
        return {}
    return {"because": [{"expression": written(each), **_value(each, bag, vocabulary)} for each in parts[:MOST]]}


def _parts(tree: Expression) -> list[Expression]:
    """What is joined by `&&` and `||`, then everything below that is looked at, each once; without the whole."""
    operands = [each for each in _operands(tree) if each is not tree]
    looked_at = [each for operand in operands or [tree] for each in _below(operand)]
    found: dict[str, Expression] = {}
    for each in [*operands, *looked_at]:
        if not isinstance(each, Constant):
            found.setdefault(written(each), each)
    return list(found.values())


def _operands(tree: Expression) -> Iterator[Expression]:
    if isinstance(tree, Call) and tree.name in JOINS:
        for each in tree.arguments:
            yield from _operands(each)
    else:
        yield tree


def _below(tree: Expression) -> Iterator[Expression]:
    """Attributes, elements of maps and what functions give."""
    if isinstance(tree, Variable):
        yield tree
    elif isinstance(tree, Call):
        for each in tree.parts:
            if isinstance(each, Call) and each.name not in ("OR", *JOINS):
                yield each
            if not (isinstance(tree, Call) and tree.name == "INDEX" and isinstance(each, Variable)):
                yield from _below(each)


def _value(
    tree: Expression | CelExpression, bag: Mapping[str, object], vocabulary: Mapping[str, ValueType]
) -> dict[str, Any]:
    try:
        return {"value": plain(compile_expression(tree, vocabulary)(bag))}
    except (EvaluationError, ExpressionError) as error:
        if isinstance(tree, Variable) and str(error) == f"lookup failed: '{tree.name}'":
            return {"absent": True}
        return {"error": str(error)}
