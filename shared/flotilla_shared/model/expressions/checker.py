"""Types of expressions."""

from __future__ import annotations

from collections.abc import Mapping

from flotilla_shared.model.expressions.errors import ExpressionError
from flotilla_shared.model.expressions.functions import FUNCTIONS, Signature, unsupported
from flotilla_shared.model.expressions.tree import Call, Constant, Expression, Variable
from flotilla_shared.model.expressions.values import ValueType


def check(expression: Expression, vocabulary: Mapping[str, ValueType]) -> ValueType:
    """The type of an expression over attributes of these types. Raises ExpressionError."""
    if isinstance(expression, Constant):
        return expression.type
    if isinstance(expression, Variable):
        return _attribute(expression, vocabulary)
    signature = _signature(expression)
    _check_target(expression, signature, vocabulary)
    return _check_arguments(expression, signature, vocabulary)


def _attribute(variable: Variable, vocabulary: Mapping[str, ValueType]) -> ValueType:
    found = vocabulary.get(variable.name)
    if found is None:
        raise ExpressionError(f"unknown attribute {variable.name}", variable.position)
    return found


def _signature(call: Call) -> Signature:
    found = FUNCTIONS.get(call.name)
    if found is None:
        raise ExpressionError(f"unknown function: {call.name}", call.position)
    if found.method and call.target is None:
        raise ExpressionError(f"invoking instance method without an instance: {call.name}", call.position)
    if not found.method and call.target is not None:
        raise ExpressionError(f"invoking regular function on instance method: {call.name}", call.position)
    return found


def _check_target(call: Call, signature: Signature, vocabulary: Mapping[str, ValueType]) -> None:
    if call.target is None:
        return
    kind = check(call.target, vocabulary)
    if kind is not signature.target:
        text = f"{call} target typeError got {kind}, expected {signature.target}"
        raise ExpressionError(text, call.target.position)


def _check_arguments(call: Call, signature: Signature, vocabulary: Mapping[str, ValueType]) -> ValueType:
    if len(call.arguments) < len(signature.arguments):
        text = f"{call} arity mismatch. Got {len(call.arguments)} arg(s), expected {len(signature.arguments)} arg(s)"
        raise ExpressionError(text, call.position)
    common: ValueType | None = None
    for number, (argument, declared) in enumerate(zip(call.arguments, signature.arguments, strict=False), 1):
        kind, wanted = check(argument, vocabulary), declared or common
        if wanted is not None and kind is not wanted:
            text = f"{call} arg {number} ({argument}) typeError got {kind}, expected {wanted}"
            raise ExpressionError(text, argument.position)
        if declared is None:
            common = kind
    if common is not None and (why := unsupported(call.name, common)):
        raise ExpressionError(f"{call}: {why}", call.position)
    result = signature.result or common
    assert result is not None
    return result
