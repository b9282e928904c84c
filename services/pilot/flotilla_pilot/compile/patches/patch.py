"""One patch of one EnvoyFilter, read once a version of the object."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flotilla_pilot.model.references import Reference
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter
from flotilla_shared.model.objects import ObjectKey

Kind = EnvoyFilter.ApplyTo
Operation = EnvoyFilter.Patch.Operation
Context = EnvoyFilter.PatchContext

INSERTS = (Operation.INSERT_BEFORE, Operation.INSERT_AFTER, Operation.INSERT_FIRST)
PLACED = (Kind.NETWORK_FILTER, Kind.HTTP_FILTER, Kind.HTTP_ROUTE, Kind.LISTENER_FILTER)
"""What has an order to insert into; elsewhere an insertion is an ADD."""


class PatchRefused(ValueError):
    """The patch does not fit what it is to change; the text says why."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which listeners and chains filters of before Istio 1.3 mean beyond what a match can say: of these addresses or
    networks, or of any if there are none; of HTTP, of anything else, or both (None).
    """

    addresses: tuple[str, ...] = ()
    http: bool | None = None


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
    where: Where | None = None
    """Of a filter of before Istio 1.3 alone."""

    @property
    def key(self) -> ObjectKey:
        return self.reference[0]

    @property
    def path(self) -> str:
        """The field that problems of the patch name."""
        if self.where is not None:
            return f"spec.filters[{self.index}].filterConfig"
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


def applying_to(patches: Iterable[Patch], *kinds: int) -> tuple[Patch, ...]:
    return tuple(each for each in patches if each.apply_to in kinds)
