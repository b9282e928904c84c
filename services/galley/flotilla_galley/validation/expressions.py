"""Expressions of Mixer's kinds: their syntax. Their types depend on attribute manifests, which Mixer has all of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_shared.model.expressions import ExpressionError, parse
from flotilla_shared.model.objects import Problem

LANGUAGE = "policy.istio.io/lang"
_SAID = "is no expression:"


def expression(text: str) -> str:
    """What is wrong with an expression, or ""."""
    try:
        parse(text)
    except ExpressionError as error:
        return f"{text!r} {_SAID} {error}"
    return ""


def in_their_language(problems: Iterable[Problem], annotations: Mapping[str, str]) -> list[Problem]:
    """The problems without what `expression` says of an object that is written in CEL: that is Mixer's to judge."""
    if annotations.get(LANGUAGE, "CEXL") == "CEXL":
        return list(problems)
    return [each for each in problems if _SAID not in each.text]
