"""Operations on headers that rules ask for: from what is written to functions of a bag (mixer.md 4.1, 7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.expressions.compile import Function, compile_expression
from flotilla_mixer.expressions.languages import Language, read
from flotilla_mixer.kit.results import Operation
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import Rule
from flotilla_shared.model.expressions import ExpressionError, ValueType
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Vocabulary = Mapping[str, ValueType]
_NAMES: Mapping[int, Operation] = {0: "REPLACE", 1: "REMOVE", 2: "APPEND"}


@dataclass(frozen=True, slots=True, eq=False)
class HeaderTemplate:
    """One operation; `value` is None for REMOVE."""

    operation: Operation
    name: str
    value: Function | None


@dataclass(frozen=True, slots=True, eq=False)
class ActionOutput:
    """What an action of a rule gives to its header operations: outputs of an instance, under names that begin with
    `prefix` (`<action>.output.`).
    """

    prefix: str
    handler: ObjectKey
    instance: str
    types: Mapping[str, ValueType]


@dataclass(frozen=True, slots=True, eq=False)
class Directive:
    """What a rule does to headers, when its condition holds and the request may pass. `outputs` are those that its
    operations may read beside the bag.
    """

    rule: ObjectKey
    match_text: str
    match: Function | None
    request: tuple[HeaderTemplate, ...]
    response: tuple[HeaderTemplate, ...]
    outputs: tuple[ActionOutput, ...] = ()


def read_directive(
    item: ConfigObject,
    match_text: str,
    match: Function | None,
    vocabulary: Vocabulary,
    problems: ProblemLog,
    outputs: Sequence[ActionOutput] = (),
    language: Language = Language.CEXL,
) -> Directive | None:
    """The directive of a rule, or None if it has none. An operation that is wrong takes the others of its rule with
    it: half of them could open what all of them together close.
    """
    found = []
    words = dict(vocabulary)
    for each in outputs:
        words.update({f"{each.prefix}{name}": kind for name, kind in each.types.items()})
    try:
        for field, operations in (
            ("requestHeaderOperations", item.spec.request_header_operations),
            ("responseHeaderOperations", item.spec.response_header_operations),
        ):
            found.append(tuple(_templates(operations, f"spec.{field}", words, language)))
    except _WrongOperation as wrong:
        problems.error(item.key, "bad-header-operation", wrong.path, f"{wrong}; no header operation of the rule works.")
        return None
    request, response = found
    return Directive(item.key, match_text, match, request, response, tuple(outputs)) if any(found) else None


class _WrongOperation(Exception):
    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


def _templates(
    operations: Sequence[Rule.HeaderOperationTemplate], path: str, vocabulary: Vocabulary, language: Language
) -> Iterator[HeaderTemplate]:
    for number, each in enumerate(operations):
        operation = _NAMES[each.operation]
        if operation == "REMOVE":
            yield HeaderTemplate(operation, each.name, None)
            continue
        for place, text in enumerate(each.values):
            where = f"{path}[{number}].values[{place}]"
            yield HeaderTemplate(operation, each.name, _value(text, where, vocabulary, language))


def _value(text: str, path: str, vocabulary: Vocabulary, language: Language) -> Any:
    try:
        expression, kind = read(text, vocabulary, language)
    except ExpressionError as error:
        raise _WrongOperation(path, f"{text!r}: {error}") from error
    if kind is not ValueType.STRING:
        raise _WrongOperation(path, f"{text!r} is {kind}, and a header's value must be {ValueType.STRING}")
    return compile_expression(expression, vocabulary)
