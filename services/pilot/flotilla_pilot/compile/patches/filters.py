"""Lists of named filters: those of listeners, of filter chains and of HTTP connection managers."""

from collections.abc import Callable, Iterable
from typing import Any

from flotilla_pilot.compile.patches.matching import MANAGER, is_named
from flotilla_pilot.compile.patches.merge import merge_packed
from flotilla_pilot.compile.patches.patch import Operation, Patch, PatchRefused
from flotilla_pilot.compile.patches.places import place
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter

NameOf = Callable[[Patch], str | None]

ROUTER = "envoy.filters.http.router"
TERMINAL = frozenset(
    (ROUTER, MANAGER, *(f"envoy.filters.network.{each}" for each in ("tcp_proxy", "redis_proxy", "thrift_proxy")))
)
"""Filters that must be the last of their list: what is added at the end goes before them."""

_CLASSES: dict[int, tuple[str, ...]] = {
    EnvoyFilter.Patch.AUTHN: ("envoy.filters.http.jwt_authn",),
    EnvoyFilter.Patch.AUTHZ: (
        "envoy.filters.http.jwt_authn",
        "envoy.filters.http.rbac",
        "envoy.filters.http.ext_authz",
    ),
}
"""Behind which filters one of a class is added."""


def change_filters(held: Any, patches: Iterable[Patch], name_of: NameOf) -> list[Patch]:
    """MERGE and REMOVE, filter by filter; a filter that is gone is changed no further. Gives what took effect."""
    used: list[Patch] = []
    kept: list[Any] = []
    for each in held:
        for patch in patches:
            wanted = name_of(patch)
            if wanted is not None and not is_named(wanted, each.name):
                continue
            if patch.operation == Operation.REMOVE:
                used.append(patch)
                break
            if patch.merges:
                _merge_filter(each, patch)
                used.append(patch)
        else:
            kept.append(each)
    if len(kept) < len(held):
        del held[:]
        held.extend(kept)
    return used


def _merge_filter(held: Any, patch: Patch) -> None:
    """The configuration inside is merged, and the name may become another. Raises PatchRefused."""
    given = patch.value
    if given.HasField("typed_config"):
        if not held.HasField("typed_config"):
            raise PatchRefused(f"{held.name} has no configuration of its own to merge into; use REPLACE")
        merge_packed(held.typed_config, given.typed_config, replace_lists=patch.replaces_lists)
    if given.name:
        held.name = given.name
    for flag in ("is_optional", "disabled"):
        if getattr(given, flag, False):
            setattr(held, flag, True)


def place_filters(held: Any, patches: Iterable[Patch], name_of: NameOf) -> list[Patch]:
    """ADD, the INSERTs and REPLACE, in the order of the patches. Gives what took effect."""
    used = []
    for patch in patches:
        last = _end(held)
        if patch.operation == Operation.ADD and patch.filter_class in _CLASSES:
            last = _behind(held, _CLASSES[patch.filter_class])
        if place(held, patch.operation, patch.value, _finder(patch, name_of), last):
            used.append(patch)
    return used


def _finder(patch: Patch, name_of: NameOf) -> Callable[[Any], bool] | None:
    wanted = name_of(patch)
    return None if wanted is None else lambda each: is_named(wanted, each.name)


def _end(held: Any) -> int:
    return len(held) - 1 if held and held[-1].name in TERMINAL else len(held)


def _behind(held: Any, names: tuple[str, ...]) -> int:
    return max((index + 1 for index, each in enumerate(held) if each.name.startswith(names)), default=0)
