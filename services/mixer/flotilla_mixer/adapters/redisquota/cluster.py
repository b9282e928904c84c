"""A Redis Cluster: each call is asked of the node that has its slot, and follows where nodes send it (docs/adr/0164)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence, Set
from functools import partial

from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError

from flotilla_mixer.adapters.redisquota.connection import Door
from flotilla_mixer.adapters.redisquota.line import Line
from flotilla_mixer.adapters.redisquota.links import Links, Take
from flotilla_mixer.adapters.redisquota.replies import Reply, cause_of
from flotilla_mixer.adapters.redisquota.settings import Address
from flotilla_mixer.adapters.redisquota.topology import SLOTS, Topology, ask_topology, endpoint
from flotilla_mixer.adapters.redisquota.waiting import Asked, Waiting
from flotilla_mixer.kit.adapter import Environment, QuotaCall
from flotilla_mixer.kit.counters import UNREACHABLE
from flotilla_shared.runtime.backoff import Backoff

LOOK_SECONDS = 10.0  # between two looks at the nodes, while nothing tells of a change
MOST_MOVES = 8  # of one call
MOST_NODES_ASKED = 5  # in one look
LEAST_SECONDS = 0.02  # that a call must have left to be asked once more
MOVES_AT_ONCE = 3
PAUSE_SECONDS = 0.02  # before each further move
KEEP_SECONDS = 30.0  # a node without slots that calls were sent to


class Node(Links):
    """The links to one node."""

    address: Address = ("", 0)
    sent_to = float("-inf")  # the loop's time when a call was last sent there by another node


NewNode = Callable[[Address, Callable[[], None]], Node]


class Cluster:
    """All nodes. `take` hears what a node says in the end; `without_identifier` makes the command of a call for one key.

    `new_node` makes a node, from its address and what to call when a link is lost.
    """

    def __init__(
        self,
        seeds: Sequence[Address],
        door: Door,
        waiting: Waiting,
        environment: Environment,
        take: Take,
        without_identifier: Callable[[QuotaCall], bytes],
        new_node: NewNode,
    ) -> None:
        self.nodes: dict[Address, Node] = {}
        self._seeds = list(dict.fromkeys(seeds))
        self._door = door
        self._waiting = waiting
        self._environment = environment
        self._take = take
        self._without_identifier = without_identifier
        self._new_node = new_node
        self._slots: list[Node | None] | None = None
        self._early = Line()  # before anything is known of the nodes
        self._lost = False  # no node says anything
        self._stale = asyncio.Event()

    @property
    def away(self) -> bool:
        """No call can be asked."""
        if self._slots is None:
            return self._lost
        return all(node.away for node in self.nodes.values())

    def put(self, asked: Asked) -> None:
        """Ask, or answer without Redis while its node is away."""
        if self._slots is None and not self._lost:
            self._early.put(asked)
            return
        node = self._slots[asked.slot] if self._slots is not None else None
        if node is None:
            self._waiting.give_up(asked, UNREACHABLE)
            self._stale.set()
        else:
            node.put(asked)

    async def look(self) -> None:
        """For ever: which nodes there are, and their slots; soon when something tells of a change."""
        backoff = Backoff(0.05, 1.0)
        while True:
            self._stale.clear()
            await self._look_once()
            if await self._is_quiet():
                backoff.reset()
            else:
                await asyncio.sleep(backoff.next())

    async def _is_quiet(self) -> bool:
        """Waits for a sign of change; True when there was none for a while."""
        if self._lost or any(node.away for node in self.nodes.values()):
            return False
        try:
            async with asyncio.timeout(LOOK_SECONDS * random.uniform(0.5, 1)):  # noqa: S311  # spreading, not secrecy
                await self._stale.wait()
        except TimeoutError:
            return True
        return False

    async def _look_once(self) -> None:
        """What a node outside of the majority says counts only while nothing is known."""
        found: Topology | None = None
        error: Exception | None = None
        for address in self._candidates():
            try:
                said = await self._ask(address)
            except (RedisError, OSError, ValueError, TimeoutError) as failed:
                error = failed
                continue
            found = said if said.sound else found or said
            if said.sound:
                break
        if found is None:
            self._unknown(error or RedisConnectionError("no node is known"))
        elif found.sound or self._slots is None:
            self._learn(found)

    def _candidates(self) -> Sequence[Address]:
        """Nodes that answer first, each time others: not all need be asked."""
        nodes = list(self.nodes.values())
        random.shuffle(nodes)
        nodes.sort(key=lambda node: not node.ready.is_set())
        seeds = random.sample(self._seeds, len(self._seeds))
        return list(dict.fromkeys([*(node.address for node in nodes[:MOST_NODES_ASKED]), *seeds]))

    async def _ask(self, address: Address) -> Topology:
        async with asyncio.timeout(self._door.connect_seconds):
            connection = await self._door.open(address)
            try:
                return await ask_topology(connection, address)
            finally:
                await connection.disconnect(nowait=True)

    def _unknown(self, error: Exception) -> None:
        said = str(error) or "no answer in time"
        self._environment.complain(cause_of(error), "no node says where the slots of redis are", error=said)
        if self._slots is None:
            self._lost = True
            for asked in self._early.leave():
                self._waiting.give_up(asked, UNREACHABLE)

    def _learn(self, topology: Topology) -> None:
        slots: list[Node | None] = [None] * SLOTS
        for first, last, master in topology.spans:
            slots[first : last + 1] = [self._node(master)] * (last + 1 - first)
        self._slots, self._lost = slots, False
        self._drop({span.master for span in topology.spans})
        for asked in self._early.leave():
            self.put(asked)

    def _drop(self, owners: Set[Address]) -> None:
        """Nodes that have nothing any more, but for those that are just being given something."""
        late = asyncio.get_running_loop().time() - KEEP_SECONDS
        for address in [each for each, node in self.nodes.items() if each not in owners and node.sent_to < late]:
            for asked in self.nodes.pop(address).line.close():
                self.put(asked)

    def _node(self, address: Address) -> Node:
        found = self.nodes.get(address)
        if found is None:
            self.nodes[address] = found = self._new_node(address, self._stale.set)
            found.take = partial(self._hear, found)
        return found

    def _hear(self, node: Node, asked: Asked, reply: Reply) -> None:
        match reply:
            case MovedError():  # the slot is there now
                there = self._node((endpoint(reply.host, node.address), reply.port))
                there.sent_to = asyncio.get_running_loop().time()
                if self._slots is not None:
                    self._slots[asked.slot] = there
                self._stale.set()
                self._move(asked, there, asking=False)
            case AskError():  # the slot is being moved there, and this key is gone already, or new
                there = self._node((endpoint(reply.host, node.address), reply.port))
                there.sent_to = asyncio.get_running_loop().time()
                self._move(asked, there, asking=True)
            case TryAgainError():  # the slot is being moved, and not both keys of the call are on one side
                asked.command = self._without_identifier(asked.call)
                self._move(asked, node, asking=asked.asking)
            case _:
                if isinstance(reply, ClusterDownError):
                    self._stale.set()
                self._take(asked, reply)

    def _move(self, asked: Asked, there: Node, *, asking: bool) -> None:
        """Ask once more, elsewhere. Nodes that send a call to one another are given a moment to agree."""
        loop = asyncio.get_running_loop()
        asked.moves += 1
        asked.asking = asking
        if asked.moves > MOST_MOVES or asked.until - loop.time() < LEAST_SECONDS:
            self._waiting.give_up(asked, UNREACHABLE)
        elif asked.moves > MOVES_AT_ONCE:
            loop.call_later(PAUSE_SECONDS, there.put, asked)
        else:
            there.put(asked)
