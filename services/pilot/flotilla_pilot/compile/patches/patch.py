"""One patch of one EnvoyFilter, read once a version of the object."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.message import Message

from flotilla_pilot.model.references import Reference, reference
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.envoy_values import ValueRefused, build_value
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

Kind = EnvoyFilter.ApplyTo
Operation = EnvoyFilter.Patch.Operation
Context = EnvoyFilter.PatchContext

INSERTS = (Operation.INSERT_BEFORE, Operation.INSERT_AFTER, Operation.INSERT_FIRST)
_PLACED = (Kind.NETWORK_FILTER, Kind.HTTP_FILTER, Kind.HTTP_ROUTE, Kind.LISTENER_FILTER)
"""What has an order to insert into; elsewhere an insertion is an ADD."""


class PatchRefused(ValueError):
    """The patch does not fit what it is to change; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """`value` is there for all operations but REMOVE, and must not be changed; `match` is the whole condition."""

    reference: Reference
    index: int
    apply_to: int
    operation: int
    match: Any
    value: Any
    filter_class: int = 0

    @property
    def key(self) -> ObjectKey:
        return self.reference[0]

    @property
    def path(self) -> str:
        """The field that problems of the patch name."""
        return f"spec.configPatches[{self.index}].patch.value"

    @property
    def merges(self) -> bool:
        return self.operation in (Operation.MERGE, Operation.MERGE_AND_REPLACE_LIST)

    @property
    def replaces_lists(self) -> bool:
        return self.operation == Operation.MERGE_AND_REPLACE_LIST

    def applies_in(self, context: int) -> bool:
        return self.match.context in (Context.ANY, context)

    def adds_in(self, context: int) -> bool:
        """Whether a whole resource is added: one of no stated context is not, to the inbound side."""
        stated: int = self.match.context
        return self.operation == Operation.ADD and (
            stated == context or (stated == Context.ANY and context != Context.SIDECAR_INBOUND)
        )


@dataclass(frozen=True, slots=True, eq=False)
class ReadFilter:
    """The patches of one object that can be applied, in its order, and what is wrong with the others."""

    patches: tuple[Patch, ...]
    problems: tuple[Problem, ...]


@lru_cache(maxsize=4096)
def read_filter(item: ConfigObject) -> ReadFilter:
    """Never raises: a patch that cannot be read is a problem and harms no other."""
    patches: list[Patch] = []
    problems: list[Problem] = []
    for index, stated in enumerate(item.spec.config_patches):
        wrong = _fault(stated)
        if wrong:
            code, field, text = wrong
            problems.append(Problem(code, f"spec.configPatches[{index}]{field}", text))
            continue
        try:
            patches.append(_read(item, index, stated))
        except ValueRefused as refused:
            problems.append(Problem("wrong-value", f"spec.configPatches[{index}].patch.value", str(refused)))
    return ReadFilter(tuple(patches), (*problems, *_unsupported(item)))


def _fault(stated: Any) -> tuple[str, str, str] | None:
    """Why a patch is not applied whatever its value: code, field and sentence."""
    if stated.apply_to == Kind.BOOTSTRAP and stated.patch.operation not in (Operation.MERGE, Operation.INVALID):
        return "not-offered", ".patch.operation", "a bootstrap can only be merged into; use MERGE"
    if stated.match.context == Context.WAYPOINT:
        return (
            "not-offered",
            ".match.context",
            "there are no waypoints; use SIDECAR_INBOUND, SIDECAR_OUTBOUND or GATEWAY",
        )
    if stated.apply_to == Kind.INVALID or stated.patch.operation == Operation.INVALID:
        return "invalid", "", "applyTo and patch.operation must both be stated"
    return None


def _read(item: ConfigObject, index: int, stated: Any) -> Patch:
    operation = stated.patch.operation
    if operation in INSERTS and stated.apply_to not in _PLACED:
        operation = Operation.ADD
    value: Message | None = None
    if operation != Operation.REMOVE:
        value = build_value(stated.apply_to, stated.patch.value)
    return Patch(reference(item), index, stated.apply_to, operation, stated.match, value, stated.patch.filter_class)


def _unsupported(item: ConfigObject) -> Iterable[Problem]:
    if item.spec.filters:
        yield Problem("not-offered", "spec.filters", "filters of before Istio 1.3 are not read; write configPatches")


def applying_to(patches: Iterable[Patch], *kinds: int) -> tuple[Patch, ...]:
    return tuple(each for each in patches if each.apply_to in kinds)
