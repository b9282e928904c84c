"""The patches of one EnvoyFilter, read once a version of the object."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf.message import Message

from flotilla_pilot.compile.patches.before import read_before
from flotilla_pilot.compile.patches.patch import INSERTS, PLACED, Context, Kind, Operation, Patch
from flotilla_pilot.model.references import reference
from flotilla_shared.model.envoy_values import ValueRefused, build_value
from flotilla_shared.model.objects import ConfigObject, Problem


@dataclass(frozen=True, slots=True, eq=False)
class ReadFilter:
    """The patches of one object that can be applied, in its order, and what is wrong with the others."""

    patches: tuple[Patch, ...]
    problems: tuple[Problem, ...]


@lru_cache(maxsize=4096)
def read_filter(item: ConfigObject) -> ReadFilter:
    """Never raises: a patch that cannot be read is a problem and harms no other. Filters of before Istio 1.3 come first."""
    patches, problems = read_before(item)
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
    return ReadFilter(tuple(patches), tuple(problems))


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
    if operation in INSERTS and stated.apply_to not in PLACED:
        operation = Operation.ADD
    value: Message | None = None
    if operation != Operation.REMOVE:
        value = build_value(stated.apply_to, stated.patch.value)
    return Patch(reference(item), index, stated.apply_to, operation, stated.match, value, stated.patch.filter_class)
