"""The compiler: one call a proxy, one compilation a scope."""

from collections.abc import Mapping
from types import MappingProxyType

from flotilla_pilot.compile.access_log import format_problem
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.gateway import compile_gateway
from flotilla_pilot.compile.inbound import compile_inbound
from flotilla_pilot.compile.outbound import compile_outbound
from flotilla_pilot.compile.resource import TYPES, CompiledProxy, CompiledResource
from flotilla_pilot.model.proxy import ROUTER, Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.scope.gateway import gateway_key, gateway_scope
from flotilla_pilot.scope.sidecar import find_sidecar, outbound_key, sidecar_scope
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog


class Compiler:
    """Compiles proxies against snapshots.

    Proxies that see the same share one compilation; resources with equal inputs are the identical object,
    also from one snapshot to the next. Pure but for these caches; one thread at a time.
    """

    def __init__(self) -> None:
        self._cache = ResourceCache()
        self._snapshot: MeshSnapshot | None = None
        self._scopes: dict[tuple[object, ...], Collected] = {}

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy:
        """Everything `proxy` is to hold under `snapshot`. Never raises for a valid configuration."""
        self._turn_to(snapshot)
        if proxy.kind == ROUTER:
            return _finish(snapshot, self._gateway(snapshot, proxy))
        sidecar = find_sidecar(snapshot, proxy)
        key = ("sidecar", *outbound_key(snapshot, proxy, sidecar))
        outbound = self._scopes.get(key)
        if outbound is None:
            outbound = compile_outbound(snapshot, sidecar_scope(snapshot, proxy, sidecar), self._cache)
            self._scopes[key] = outbound
        return _finish(snapshot, compile_inbound(snapshot, proxy, sidecar, self._cache), outbound)

    def _turn_to(self, snapshot: MeshSnapshot) -> None:
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._scopes = {}
            self._cache.next_generation()

    def _gateway(self, snapshot: MeshSnapshot, proxy: Proxy) -> Collected:
        key = ("router", *gateway_key(snapshot, proxy))
        found = self._scopes.get(key)
        if found is None:
            found = compile_gateway(snapshot, gateway_scope(snapshot, proxy), proxy, self._cache)
            self._scopes[key] = found
        return found


def _finish(snapshot: MeshSnapshot, *sides: Collected) -> CompiledProxy:
    """Both sides of a proxy together; of two listeners on one address the first side's stays."""
    resources: dict[str, Mapping[str, CompiledResource]] = {}
    for type_url in TYPES:
        together: dict[str, CompiledResource] = {}
        for side in reversed(sides):
            together.update(side.resources[type_url])
        resources[type_url] = MappingProxyType(together)
    return CompiledProxy(MappingProxyType(resources), _problems(snapshot, sides))


def _problems(snapshot: MeshSnapshot, sides: tuple[Collected, ...]) -> Mapping[ObjectKey, tuple[Problem, ...]]:
    log = ProblemLog()
    for key, _ in snapshot.mesh.references:
        text = format_problem(snapshot.mesh)
        if text:
            log.error(key, "refused-by-envoy", "accessLogFormat", text)
    for side in sides:
        log.merge(side.log.found())
    return MappingProxyType(log.found())
