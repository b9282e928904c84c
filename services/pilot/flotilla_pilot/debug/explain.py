"""/debug/explain: what a call passes through, by what connected proxies were sent."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla_pilot.compile.resource import CompiledProxy
from flotilla_pilot.debug.problems import BadQuestion, NotFound
from flotilla_pilot.delivery.connection import Connection
from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.services import Endpoint
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.offline.asking import BadTarget, asked_call, read_header
from flotilla_pilot.offline.explain import explain
from flotilla_pilot.offline.plain import as_plain
from flotilla_pilot.offline.proxies import proxy_of

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """A connected proxy, what it is to hold, and how far it has taken it."""

    proxy: Proxy
    compiled: CompiledProxy
    delivered: str


def explain_topic(delivery: Delivery) -> Callable[[Query], Awaitable[list[dict[str, Any]]]]:
    """The topic. Its query: `from` and `to`, as `flotilla explain` has them, `header` (one a line), `method`, `tls`, `tcp`.

    It looks at what was compiled, and compiles and changes nothing. That may be much, so one question at a time is
    answered, on a thread. Raises NotFound or BadQuestion.
    """
    turn = asyncio.Lock()

    async def ask(query: Query) -> list[dict[str, Any]]:
        async with turn:
            if delivery.publication is None:
                raise NotFound("nothing has been compiled yet")
            held = [found for each in delivery.connections if (found := _held(each)) is not None]
            return await asyncio.to_thread(_explained, delivery.publication.snapshot, held, query)

    return ask


def _held(connection: Connection) -> Held | None:
    compiled = connection.session.compiled
    return Held(connection.proxy, compiled, _delivered(connection)) if compiled is not None else None


def _delivered(connection: Connection) -> str:
    """Empty where the proxy has taken all that it was sent."""
    watches = connection.session.watches.values()
    waiting = sum(len(each.outstanding) for each in watches)
    rejected = [name for each in watches for name in each.rejected]
    said = [f"{waiting} resources are not acknowledged yet"] if waiting else []
    return "; ".join([*said, *([f"the proxy rejects {', '.join(sorted(rejected))}"] if rejected else [])])


def _explained(snapshot: MeshSnapshot, held: Iterable[Held], query: Query) -> list[dict[str, Any]]:
    known = list(held)
    caller = _find(known, query.get("from", ""))
    by_address = {address: each for each in known for address in each.proxy.addresses}
    by_node = {each.proxy.node_id: each for each in known}

    def beside(endpoint: Endpoint) -> Proxy:
        found = by_address.get(endpoint.address)
        return found.proxy if found is not None else proxy_of(snapshot, endpoint)

    def sent(proxy: Proxy) -> tuple[CompiledProxy, str] | None:
        found = by_node.get(proxy.node_id)
        return (found.compiled, found.delivered) if found is not None else None

    try:
        headers = dict(map(read_header, filter(None, query.get("header", "").splitlines())))
        call = asked_call(
            snapshot,
            caller.proxy,
            query.get("to", ""),
            headers,
            method=query.get("method") or "GET",
            tls=query.get("tls") == "true",
            tcp=query.get("tcp") == "true",
        )
    except BadTarget as bad:
        raise BadQuestion(f"{bad}; ask with from=WORKLOAD and to=HOST:PORT/PATH") from bad
    return as_plain(explain(snapshot, caller.proxy, call, beside, sent))


def _find(held: list[Held], name: str) -> Held:
    """By `name` or `name.namespace` of the proxy; of several the first by node."""
    found = [each for each in held if name in (each.proxy.name, f"{each.proxy.name}.{each.proxy.namespace}")]
    if not found:
        raise NotFound(f"no proxy {name!r} is connected to this Pilot; /debug/syncz lists those that are")
    namespaces = sorted({each.proxy.namespace for each in found})
    if len(namespaces) > 1:
        raise BadQuestion(f"{name} is in {' and '.join(namespaces)}; say {name}.{namespaces[0]}")
    return min(found, key=lambda each: each.proxy.node_id)
