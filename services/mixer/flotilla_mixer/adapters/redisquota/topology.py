"""Which node of a Redis Cluster has which slots, as one of its nodes says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Connection
from redis.exceptions import ConnectionError as RedisConnectionError

from flotilla_mixer.adapters.redisquota.settings import Address

SLOTS = 16384
CLUSTER_OK = b"cluster_state:ok"


class Span(NamedTuple):
    """The slots from `first` to `last`, both included, and the master that has them."""

    first: int
    last: int
    master: Address


class Topology(NamedTuple):
    """`sound`: the node that says so takes part in a majority of its cluster; another may know nothing of what came since."""

    sound: bool
    spans: Sequence[Span]


async def ask_topology(connection: Connection, asked: Address) -> Topology:
    """From the node at `asked`. Raises RedisError, OSError or ValueError."""
    await connection.send_command("CLUSTER INFO")
    state = await connection.read_response()
    await connection.send_command("CLUSTER SLOTS")
    spans = spans_of(await connection.read_response(), asked)
    return Topology(isinstance(state, bytes) and CLUSTER_OK in state.split(), spans)


def spans_of(reply: Any, asked: Address) -> Sequence[Span]:
    """Of CLUSTER SLOTS. Raises RedisError for what cannot be read as such."""
    try:
        return list(_spans(reply, asked))
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise RedisConnectionError(f"CLUSTER SLOTS is answered in another way than is known: {error}") from error


def _spans(reply: Iterable[Sequence[Any]], asked: Address) -> Iterable[Span]:
    for entry in reply:
        first, last, (host, port) = int(entry[0]), int(entry[1]), entry[2][:2]
        if not 0 <= first <= last < SLOTS or not 0 < int(port) < 65536:
            raise ValueError(f"slots {first} to {last} at port {port}")
        yield Span(first, last, (endpoint(host, asked), int(port)))


def endpoint(host: bytes | str | None, asked: Address) -> str:
    """A node that does not know its own name is where it was asked."""
    name = host.decode() if isinstance(host, bytes) else host
    return asked[0] if name in (None, "", "?") else str(name)


def owners(spans: Sequence[Span]) -> Mapping[int, Address]:
    """Slot by slot."""
    return {slot: span.master for span in spans for slot in range(span.first, span.last + 1)}
