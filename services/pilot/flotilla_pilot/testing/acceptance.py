"""One real Envoy that is given the configuration of many proxies, one after the other, by Pilot's own delivery."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import MappingProxyType

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from flotilla_pilot.compile.resource import (
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    TYPES,
    CompiledProxy,
    CompiledResource,
    make_resource,
)
from flotilla_pilot.delivery.connection import Connection, Patience
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.testing.any_secrets import AnySecrets
from flotilla_pilot.testing.edge import Edge, route_object, workload
from flotilla_pilot.testing.running_envoy import RunningEnvoy

ANSWER_SECONDS = 10.0

Refusals = dict[str, str]
"""Envoy's own words by the name of the resource that it refused."""


class GivenCompiler:
    """Compiles every proxy to what it was given."""

    def __init__(self) -> None:
        self.given = CompiledProxy({each: {} for each in TYPES}, {})

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy:
        return self.given


class Acceptance:
    """Component: an Envoy on an ADS stream. Ask it with `refusals`, one configuration at a time."""

    def __init__(self, binary: Path, folder: Path, dialect: Dialect) -> None:
        self._compiler = GivenCompiler()
        self._binary, self._folder, self._dialect = binary, folder, dialect
        self._asked: dict[str, set[str]] = {each: set() for each in TYPES}
        self._numbers = count(1)

    async def start(self) -> None:
        async with AsyncExitStack() as stack:
            self._edge = Edge(self._compiler, patience=Patience(warming=1.0))
            await self._edge.start()
            stack.push_async_callback(self._edge.stop)
            self._edge.publish()
            node = workload("standing", account="standing")
            certificate = self._edge.authority.certificate("spiffe://cluster.local/ns/default/sa/standing")
            port = self._edge.server.bound_port
            secrets = AnySecrets(self._folder / "sds", certificate)
            await secrets.start()
            stack.push_async_callback(secrets.stop)
            stated = (self._binary, self._folder, node, port, certificate, self._dialect, self._folder / "sds")
            envoy = RunningEnvoy(*stated, drain_seconds=1, resolves=False)
            self._envoy = await stack.enter_async_context(envoy)
            await self._envoy.ready()
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        await self._stack.aclose()

    async def refusals(self, compiled: CompiledProxy) -> Refusals:
        """What Envoy refuses of everything that `compiled` holds, endpoints and tables of its own asking included."""
        self._compiler.given = unbound(compiled)
        self._asked = asked_for(self._compiler.given)
        self._edge.publish([route_object("case", str(next(self._numbers)))])
        (connection,) = self._edge.delivery.connections
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not self._settled(connection):
                    self._edge.delivery.changed.clear()
                    await self._edge.delivery.changed.wait()
        except TimeoutError:
            return {
                "no answer": f"{sorted(self._missing(connection))} {self._envoy.log.read_text(errors='replace')[-2000:]}"
            }
        return self._refused(connection)

    async def rejected_updates(self) -> Mapping[str, int]:
        """Every `update_rejected` of Envoy's that is not 0, since it started."""
        return await self._envoy.rejected()

    def _settled(self, connection: Connection) -> bool:
        session = connection.session
        if session.compiled is not self._compiler.given or session.waiting:
            return False
        if any(watch.outstanding for watch in session.watches.values()):
            return False
        return bool(self._refused(connection)) or not self._missing(connection)

    def _missing(self, connection: Connection) -> set[str]:
        """What Envoy does not hold yet."""
        found = set()
        for type_url, resources in self._compiler.given.resources.items():
            watch = connection.session.watches.get(type_url)
            for name, each in resources.items():
                held = watch.accepted.get(name) if watch is not None else None
                if (held is None or held.version != each.version) and name in self._asked[type_url]:
                    found.add(name)
        return found

    def _refused(self, connection: Connection) -> Refusals:
        return {
            name: rejection.text
            for type_url, watch in connection.session.watches.items()
            for name, rejection in watch.rejected.items()
            if (each := self._compiler.given.resources[type_url].get(name)) and each.version == rejection.version
        }


def asked_for(compiled: CompiledProxy) -> dict[str, set[str]]:
    """By type the names that Envoy asks for. A patch may have taken away whatever names a table or endpoints."""
    found = {each: set(compiled.resources[each]) for each in (CLUSTER, LISTENER)}
    clusters = (Cluster.FromString(each.body) for each in compiled.resources[CLUSTER].values())
    found[ENDPOINTS] = {each.eds_cluster_config.service_name for each in clusters if each.type == Cluster.EDS}
    listeners = (Listener.FromString(each.body) for each in compiled.resources[LISTENER].values())
    found[ROUTES] = {name for each in listeners for name in _tables(each)}
    return found


def _tables(listener: Listener) -> Iterator[str]:
    manager = HttpConnectionManager()
    for chain in (*listener.filter_chains, listener.default_filter_chain):
        for each in chain.filters:
            if each.typed_config.Unpack(manager) and manager.HasField("rds"):
                yield manager.rds.route_config_name


def unbound(compiled: CompiledProxy) -> CompiledProxy:
    """The same with listeners that have no sockets: the addresses are other machines', or taken on this one."""
    held: dict[str, Mapping[str, CompiledResource]] = dict(compiled.resources)
    held[LISTENER] = {name: _unbound(each) for name, each in compiled.resources[LISTENER].items()}
    return CompiledProxy(MappingProxyType(held), compiled.problems)


def _unbound(resource: CompiledResource) -> CompiledResource:
    """Not transparent either: that is an option of sockets, and Envoy 1.40 crashes where there are none."""
    listener = Listener.FromString(resource.body)
    listener.bind_to_port.value = False
    listener.ClearField("transparent")
    body = listener.SerializeToString(deterministic=True)
    return make_resource(LISTENER, resource.name, body, resource.depends_on)


class StandingEnvoy:
    """The same for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, acceptance: Acceptance) -> None:
        self._runner, self._acceptance = runner, acceptance

    def refusals(self, compiled: CompiledProxy) -> Refusals:
        return self._runner.run(self._acceptance.refusals(compiled))

    def rejected_updates(self) -> Mapping[str, int]:
        return self._runner.run(self._acceptance.rejected_updates())


@contextmanager
def standing_envoy(binary: Path, folder: Path, dialect: Dialect = "delta") -> Iterator[StandingEnvoy]:
    """An Envoy for as long as the context lasts."""
    acceptance = Acceptance(binary, folder, dialect)
    with asyncio.Runner() as runner:
        runner.run(acceptance.start())
        try:
            yield StandingEnvoy(runner, acceptance)
        finally:
            runner.run(acceptance.stop())
