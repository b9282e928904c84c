"""The compiler: one call a proxy, one compilation a scope."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flotilla_pilot.compile.access_log import format_problem
from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.collection import Collected
from flotilla_pilot.compile.gateway import compile_gateway
from flotilla_pilot.compile.inbound import compile_inbound
from flotilla_pilot.compile.outbound import compile_outbound
from flotilla_pilot.compile.patches.apply import Resources
from flotilla_pilot.compile.patches.proxies import patched_sides
from flotilla_pilot.compile.proxyless.client import compile_client
from flotilla_pilot.compile.proxyless.server import compile_server
from flotilla_pilot.compile.resource import LISTENER, SERVED, CompiledProxy, CompiledResource
from flotilla_pilot.model.place import Place
from flotilla_pilot.model.proxy import ROUTER, Proxy
from flotilla_pilot.model.services import Service, ServiceName
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.scope.gateway import gateway_key, gateway_scope
from flotilla_pilot.scope.place import place_of
from flotilla_pilot.scope.sidecar import find_sidecar, outbound_key, sidecar_scope
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog

Locate = Callable[[MeshSnapshot, Proxy], Place]
RECENT = 8
"""Snapshots of which something may be taken over: compiling for many proxies may lag behind endpoints."""


@dataclass(slots=True, eq=False)
class _Turn:
    """What was compiled of one snapshot."""

    snapshot: MeshSnapshot
    scopes: dict[tuple[object, ...], Collected]
    _moved: tuple[MeshSnapshot, dict[ServiceName, Service]] | None = None

    def moved(self, to: MeshSnapshot) -> dict[ServiceName, Service]:
        """The services whose endpoints are different in `to`."""
        if self._moved is None or self._moved[0] is not to:
            before = {each.name: each for each in self.snapshot.services if each.is_native}
            native = (each for each in to.services if each.is_native)
            self._moved = to, {each.name: each for each in native if before.get(each.name) is not each}
        return self._moved[1]


class Compiler:
    """Compiles proxies against snapshots.

    Proxies that see the same share one compilation; resources with equal inputs are the identical object,
    also from one snapshot to the next. Pure but for these caches; one thread at a time.
    """

    def __init__(self, cache: ResourceCache | None = None, locate: Locate = place_of) -> None:
        """`locate` tells where a proxy is."""
        self._locate = locate
        self._cache = cache if cache is not None else ResourceCache()
        self._snapshot: MeshSnapshot | None = None
        self._scopes: dict[tuple[object, ...], Collected] = {}
        self._recent: deque[_Turn] = deque(maxlen=RECENT)

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy:
        """Everything `proxy` is to hold under `snapshot`. Never raises for a valid configuration."""
        self._turn_to(snapshot)
        if proxy.kind == ROUTER:
            return self._finish(snapshot, proxy, self._gateway(snapshot, proxy))
        sidecar = find_sidecar(snapshot, proxy)
        if proxy.proxyless:
            return self._proxyless(snapshot, proxy, sidecar)
        key = ("sidecar", *outbound_key(snapshot, proxy, sidecar))
        build = lambda: compile_outbound(snapshot, sidecar_scope(snapshot, proxy, sidecar), self._cache)  # noqa: E731
        outbound = self._from_place(snapshot, key, proxy, self._scope(snapshot, key, build))
        return self._finish(snapshot, proxy, compile_inbound(snapshot, proxy, sidecar, self._cache), outbound)

    def _turn_to(self, snapshot: MeshSnapshot) -> None:
        """Of a snapshot in which only endpoints are elsewhere, what was compiled before stays but for these."""
        last = self._snapshot
        if snapshot is last:
            return
        endpoints_only = last is not None and snapshot.shape == last.shape
        if last is not None and endpoints_only:
            self._recent.appendleft(_Turn(last, self._scopes))
        else:
            self._recent.clear()
        self._snapshot, self._scopes = snapshot, {}
        self._cache.next_generation(endpoints_only=endpoints_only)

    def _scope(self, snapshot: MeshSnapshot, key: tuple[object, ...], build: Callable[[], Collected]) -> Collected:
        found = self._scopes.get(key)
        if found is None:
            turn = next((each for each in self._recent if key in each.scopes), None)
            found = turn.scopes[key].with_endpoints(turn.moved(snapshot), snapshot) if turn is not None else build()
            self._scopes[key] = found
        return found

    def _gateway(self, snapshot: MeshSnapshot, proxy: Proxy) -> Collected:
        key = ("router", *gateway_key(snapshot, proxy))
        build = lambda: compile_gateway(snapshot, gateway_scope(snapshot, proxy), proxy, self._cache)  # noqa: E731
        return self._from_place(snapshot, key, proxy, self._scope(snapshot, key, build))

    def _from_place(
        self, snapshot: MeshSnapshot, key: tuple[object, ...], proxy: Proxy, everywhere: Collected
    ) -> Collected:
        """What is the same everywhere, or as it is seen from where the proxy is."""
        if not everywhere.depends_on_place:
            return everywhere
        place = self._locate(snapshot, proxy)
        return self._scope(snapshot, (*key, place), lambda: everywhere.seen_from(place, snapshot))

    def _proxyless(self, snapshot: MeshSnapshot, proxy: Proxy, sidecar: ConfigObject | None) -> CompiledProxy:
        """An application that speaks xDS itself has no use for patches, which are Envoy's."""
        key = ("proxyless", *outbound_key(snapshot, proxy, sidecar))
        build = lambda: compile_client(snapshot, sidecar_scope(snapshot, proxy, sidecar), self._cache)  # noqa: E731
        outbound = self._from_place(snapshot, key, proxy, self._scope(snapshot, key, build))
        sides = compile_server(snapshot, proxy, self._cache), outbound
        return _together(snapshot, sides, [each.resources for each in sides], ProblemLog())

    def _finish(self, snapshot: MeshSnapshot, proxy: Proxy, *sides: Collected) -> CompiledProxy:
        """Both sides of a proxy together, patched; of two listeners on one address the first side's stays."""
        patched, log = patched_sides(snapshot, proxy, sides, self._cache)
        own = [name for side in sides for address in proxy.addresses for name in side.dialled.get(address, ())]
        return _together(snapshot, sides, patched, log, without=own)


def _together(
    snapshot: MeshSnapshot,
    sides: tuple[Collected, ...],
    held: Sequence[Resources],
    log: ProblemLog,
    *,
    without: Iterable[str] = (),
) -> CompiledProxy:
    """What is held of each of `sides`, as one; `without` are listeners that this proxy is not to have."""
    resources: dict[str, Mapping[str, CompiledResource]] = {}
    for type_url in SERVED:
        together: dict[str, CompiledResource] = {}
        for side in reversed(held):
            together.update(side.get(type_url, ()))
        for name in without if type_url == LISTENER else ():
            together.pop(name, None)
        resources[type_url] = MappingProxyType(together)
    return CompiledProxy(MappingProxyType(resources), _problems(snapshot, sides, log))


def _problems(
    snapshot: MeshSnapshot, sides: tuple[Collected, ...], log: ProblemLog
) -> Mapping[ObjectKey, tuple[Problem, ...]]:
    """What is wrong with objects for this proxy, besides what `log` has of their patches."""
    for key, _ in snapshot.mesh.references:
        text = format_problem(snapshot.mesh)
        if text:
            log.error(key, "refused-by-envoy", "accessLogFormat", text)
    for side in sides:
        log.merge(side.log.found())
    return MappingProxyType(log.found())
