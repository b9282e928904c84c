"""The languages in which rules and instances may be written: CEXL, CEL, and CEXL with CEL's meaning (mixer.md 3.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from flotilla_mixer.expressions.cel import compat, compile, parser, types
from flotilla_mixer.expressions.cel.coded import Coded
from flotilla_mixer.expressions.cel.tree import Node
from flotilla_shared.model import expressions as cexl
from flotilla_shared.model.expressions import ExpressionError, ValueType

ANNOTATION = "policy.istio.io/lang"
Vocabulary = Mapping[str, ValueType]


class Language(StrEnum):
    CEXL = "CEXL"
    CEL = "CEL"
    COMPAT = "COMPAT"


@dataclass(frozen=True, slots=True)
class CelExpression:
    """An expression with CEL's meaning. Two of one text and one language are the same."""

    text: str
    language: Language

    def tree(self) -> Node:
        """Raises ExpressionError."""
        return (
            parser.parse(self.text)
            if self.language is Language.CEL
            else compat.rewrite(cexl.parse(self.text), self.text)
        )

    def coded(self, vocabulary: Vocabulary, names: dict[str, object]) -> Coded:
        """It as Python; `names` gets what the function needs beside its bag. Raises ExpressionError."""
        return compile.Coder(vocabulary, names).code(self.tree())


Expression = cexl.Expression | CelExpression


def read(text: str, vocabulary: Vocabulary, language: Language = Language.CEXL) -> tuple[Expression, ValueType]:
    """An expression that has been read and fits the vocabulary, and its type. Raises ExpressionError."""
    if language is Language.CEXL:
        tree = cexl.parse(text)
        return tree, cexl.check(tree, vocabulary)
    found = CelExpression(text, language)
    return found, _type(found, vocabulary)


def check(expression: Expression, vocabulary: Vocabulary) -> ValueType:
    """The type of an expression, in whichever language. Raises ExpressionError."""
    return (
        _type(expression, vocabulary) if isinstance(expression, CelExpression) else cexl.check(expression, vocabulary)
    )


def _type(expression: CelExpression, vocabulary: Vocabulary) -> ValueType:
    try:
        kind = expression.coded(vocabulary, {}).type
    except RecursionError:
        raise ExpressionError("the expression is too deep") from None
    if kind == types.DYN:
        raise ExpressionError("its type is not known before it is evaluated; say int(...), string(...) or the like")
    found = compile.value_type(kind)
    if found is None:
        raise ExpressionError(f"it is {kind}, which is no type of attributes")
    return found


def language_of(annotations: Mapping[str, str], default: Language) -> Language:
    """The language that an object asks for. Raises ValueError for one that there is not."""
    said = annotations.get(ANNOTATION)
    return default if said is None else Language(said)
