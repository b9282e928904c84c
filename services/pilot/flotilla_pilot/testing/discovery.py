"""Discovery seen from a proxy's side: messages, a session without a stream, and a client of a real server."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
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
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.runtime.tls import open_channel

SHORT = {"cds": CLUSTER, "eds": ENDPOINTS, "lds": LISTENER, "rds": ROUTES}
SERVER_NAME = "istio-pilot.istio-system.svc"
ANSWER_SECONDS = 10.0

Table = Mapping[str, Mapping[str, str]]


def resource(short: str, name: str, content: str, depends_on: frozenset[ObjectKey] = frozenset()) -> CompiledResource:
    """A resource whose body is only text: for tests of delivery, which never looks into it."""
    return make_resource(SHORT[short], name, content.encode(), depends_on)


def compiled(table: Table, depends_on: Mapping[str, frozenset[ObjectKey]] | None = None) -> CompiledProxy:
    """`{"cds": {"a": "1"}}` as a compiled proxy; `depends_on` by resource name."""
    found: dict[str, dict[str, CompiledResource]] = {type_url: {} for type_url in TYPES}
    for short, contents in table.items():
        for name, content in contents.items():
            needs = (depends_on or {}).get(name, frozenset())
            found[SHORT[short]][name] = resource(short, name, content, needs)
    return CompiledProxy(found, {})


class TableCompiler:
    """Compiles every proxy to one table, which a test replaces. Fails for the proxies in `broken`."""

    def __init__(self, table: Table | None = None) -> None:
        self.table = table or {}
        self.depends_on: dict[str, frozenset[ObjectKey]] = {}
        self.by_proxy: dict[str, Table] = {}
        self.broken: set[str] = set()

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy:
        if proxy.node_id in self.broken:
            raise RuntimeError("told to fail")
        return compiled(self.by_proxy.get(proxy.node_id, self.table), self.depends_on)


@dataclass(frozen=True)
class Response:
    """A response of either dialect. `resources` is name (or position, in state of the world) -> body."""

    type: str
    nonce: str
    version: str
    resources: dict[str, str]
    removed: tuple[str, ...] = ()
    type_url: str = ""

    @property
    def said(self) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """What most tests compare: type, bodies (names in delta), removed names."""
        return self.type, tuple(sorted(self.resources)), tuple(sorted(self.removed))


def decode(dialect: Dialect, message: bytes) -> Response:
    """State of the world does not name its resources: tests give bodies that do, and they serve as names."""
    if dialect == "sotw":
        whole = DiscoveryResponse.FromString(message)
        bodies = [each.value.decode("latin-1") for each in whole.resources]
        content = {body: body for body in bodies}
        assert len(content) == len(bodies), "a resource twice in one response"
        assert all(each.type_url == whole.type_url for each in whole.resources)
        return Response(_short(whole.type_url), whole.nonce, whole.version_info, content, (), whole.type_url)
    delta = DeltaDiscoveryResponse.FromString(message)
    named = {each.name: each.resource.value.decode("latin-1") for each in delta.resources}
    assert len(named) == len(delta.resources), "a resource twice in one response"
    return Response(
        _short(delta.type_url),
        delta.nonce,
        delta.system_version_info,
        named,
        tuple(delta.removed_resources),
        delta.type_url,
    )


def _short(type_url: str) -> str:
    return next(short for short, each in SHORT.items() if each == type_url)


def sotw_request(
    short: str, names: tuple[str, ...] = (), nonce: str = "", version: str = "", error: str = "", node: Any = None
) -> bytes:
    request = DiscoveryRequest(
        type_url=SHORT.get(short, short), resource_names=names, response_nonce=nonce, version_info=version, node=node
    )
    if error:
        request.error_detail.message = error
    return bytes(request.SerializeToString())


def delta_request(
    short: str,
    subscribe: tuple[str, ...] = (),
    unsubscribe: tuple[str, ...] = (),
    nonce: str = "",
    error: str = "",
    initial: Mapping[str, str] | None = None,
    node: Any = None,
) -> bytes:
    request = DeltaDiscoveryRequest(
        type_url=SHORT.get(short, short),
        resource_names_subscribe=subscribe,
        resource_names_unsubscribe=unsubscribe,
        response_nonce=nonce,
        initial_resource_versions=initial or {},
        node=node,
    )
    if error:
        request.error_detail.message = error
    return bytes(request.SerializeToString())


class StreamLost(Exception):
    """The server ended the stream."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text


class AdsClient:
    """One ADS stream over mTLS, by hand: every request and every response is a test's own step."""

    def __init__(self, port: int, certificate: Certificate, dialect: Dialect, node: Node) -> None:
        self._port = port
        self._certificate = certificate
        self.dialect: Dialect = dialect
        self._node: Node | None = node
        self._names: dict[str, tuple[str, ...]] = {}
        self._accepted: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self._channel = open_channel(f"127.0.0.1:{self._port}", SERVER_NAME, self._certificate)
        method = "StreamAggregatedResources" if self.dialect == "sotw" else "DeltaAggregatedResources"
        self._call: Any = self._channel.stream_stream(
            f"/envoy.service.discovery.v3.AggregatedDiscoveryService/{method}"
        )()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()
        await self._channel.close()

    async def subscribe(self, short: str, *names: str, initial: Mapping[str, str] | None = None) -> None:
        """The first request of a type, or more names of it."""
        if self.dialect == "delta":
            await self.send(delta_request(short, names, initial=initial, node=self._take_node()))
            return
        self._names[short] = names
        await self.send(sotw_request(short, names, node=self._take_node()))

    async def send(self, message: bytes) -> None:
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise await self._lost() from error

    async def next(self) -> Response:
        """The next response. Raises StreamLost."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise await self._lost() from error
        if message is grpc.aio.EOF:
            raise await self._lost()
        return decode(self.dialect, message)

    async def ack(self, response: Response) -> None:
        if self.dialect == "delta":
            await self.send(delta_request(response.type, nonce=response.nonce))
            return
        self._accepted[response.type] = response.version
        await self.send(
            sotw_request(response.type, self._names.get(response.type, ()), response.nonce, response.version)
        )

    async def nack(self, response: Response, text: str) -> None:
        if self.dialect == "delta":
            await self.send(delta_request(response.type, nonce=response.nonce, error=text))
            return
        accepted = self._accepted.get(response.type, "")
        names = self._names.get(response.type, ())
        await self.send(sotw_request(response.type, names, response.nonce, accepted, text))

    async def taken(self) -> Response:
        """The next response, acknowledged."""
        response = await self.next()
        await self.ack(response)
        return response

    async def finish(self) -> None:
        """Say that nothing more is asked, and wait until the server has ended the stream."""
        await self._call.done_writing()
        await self.lost()

    async def lost(self) -> StreamLost:
        """Wait for the end of the stream, whatever still comes before it."""
        while True:
            try:
                await self.next()
            except StreamLost as lost:
                return lost

    def _take_node(self) -> Node | None:
        node, self._node = self._node, None
        return node

    async def _lost(self) -> StreamLost:
        return StreamLost(await self._call.code(), await self._call.details() or "")
