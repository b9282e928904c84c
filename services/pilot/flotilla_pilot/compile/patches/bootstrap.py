"""Patches of what Envoy starts with. Its agent asks for them, and lays them over the bootstrap that it writes itself."""

from collections.abc import Iterable, Mapping

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.patches.patch import Kind, Patch
from flotilla_pilot.compile.resource import BOOTSTRAP, CompiledResource
from flotilla_shared.model.envoy_merge import merge
from flotilla_shared.model.problems import ProblemLog

NAME = "bootstrap"
_WHY = {
    "node": "says who the proxy is, which its certificate has to agree with",
    "dynamic_resources": "says where its configuration comes from",
}
_ADMIN = "says where its agent asks it"
_CLUSTERS = ("xds-grpc", "sds-grpc")
"""By which Envoy reaches Pilot and the agent."""


def patched_bootstrap(
    patches: Iterable[Patch], cache: ResourceCache, log: ProblemLog
) -> Mapping[str, CompiledResource]:
    """What the patches of a bootstrap state together, in their order; empty where there are none.

    What ties Envoy to its agent and to Pilot is the agent's own: it is left out, and told.
    """
    chosen = tuple(each for each in patches if each.apply_to == Kind.BOOTSTRAP)
    if not chosen:
        return {}
    for patch in chosen:
        for field, why in _held_back(patch.value):
            text = f"this {why}; it stays as the agent writes it, and the rest of the patch counts"
            log.error(patch.key, "not-offered", f"{patch.path}.{field}", text)
    made: CompiledResource = cache.get(("bootstrap", chosen), lambda: _build(chosen, cache))
    return {NAME: made}


def _build(patches: tuple[Patch, ...], cache: ResourceCache) -> CompiledResource:
    together = Bootstrap()
    for patch in patches:
        merge(together, patch.value)
    _hold_back(together)
    return cache.intern(BOOTSTRAP, NAME, serialized(together), {each.key for each in patches})


def _hold_back(together: Bootstrap) -> None:
    for name in _WHY:
        together.ClearField(name)
    if together.HasField("admin"):
        together.admin.ClearField("address")
    clusters = together.static_resources.clusters if together.HasField("static_resources") else ()
    kept = [each for each in clusters if each.name not in _CLUSTERS]
    if len(kept) < len(clusters):
        del together.static_resources.clusters[:]
        together.static_resources.clusters.extend(kept)


def _held_back(value: Bootstrap) -> Iterable[tuple[str, str]]:
    """The fields that are not the user's, with the reason."""
    yield from ((name, why) for name, why in _WHY.items() if value.HasField(name))
    if value.admin.HasField("address"):
        yield "admin.address", _ADMIN
    for index, each in enumerate(value.static_resources.clusters):
        if each.name in _CLUSTERS:
            yield f"static_resources.clusters[{index}]", "is a way that Envoy cannot do without"
