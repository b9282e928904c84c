"""Expressions of Mixer's kinds: their syntax. Their types depend on attribute manifests, which Mixer has all of."""

from __future__ import annotations

from flotilla_shared.model.expressions import ExpressionError, parse


def expression(text: str) -> str:
    """What is wrong with an expression, or ""."""
    try:
        parse(text)
    except ExpressionError as error:
        return f"{text!r} is no expression: {error}"
    return ""
