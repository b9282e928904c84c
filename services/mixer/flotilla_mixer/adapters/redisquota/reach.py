"""How a handler reaches the Redis that counts: one server, the master that Sentinels watch, or the nodes of a cluster.

All keys of a call are in one slot, so that a cluster can count it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from flotilla_mixer.adapters.redisquota.cluster import Cluster, Node
from flotilla_mixer.adapters.redisquota.connection import Door, door_to_redis, door_to_sentinels
from flotilla_mixer.adapters.redisquota.links import Connect, Links, Take
from flotilla_mixer.adapters.redisquota.replicas import Replicas
from flotilla_mixer.adapters.redisquota.sentinels import Sentinels, WatchedMaster
from flotilla_mixer.adapters.redisquota.settings import SENTINEL_PORT, Address, address_of
from flotilla_mixer.adapters.redisquota.waiting import Asked, Waiting
from flotilla_mixer.kit.adapter import Environment, QuotaCall
from flotilla_mixer.kit.secrets import SecretFile


class Reach(Protocol):
    """Where calls are put that Redis is to be asked about; `away`: it is no use."""

    @property
    def away(self) -> bool: ...
    def put(self, asked: Asked) -> None: ...


@dataclass(frozen=True, slots=True)
class Asking:
    """What every way has in common: see `Links` and `Cluster`. `number` is that of the links to each server."""

    waiting: Waiting
    environment: Environment
    script: str
    take: Take
    without_identifier: Callable[[QuotaCall], bytes]
    number: int
    replicas: Replicas

    def reach(self, params: Any, password: SecretFile | None) -> Reach:
        """Begins to connect."""
        door = door_to_redis(params, password)
        if params.HasField("sentinel"):
            return self._watched(params, door)
        if params.HasField("cluster"):
            return self._cluster(params, door)
        address = address_of(params.redis_server_url)
        return self._started(self._links(lambda: door.open(address), door))

    def _watched(self, params: Any, door: Door) -> Links:
        name, file = params.sentinel.master_name, params.sentinel.password_file
        addresses = [address_of(each, SENTINEL_PORT) for each in params.sentinel.addresses]
        if params.sentinel.tls.key_file:
            self.environment.secret(params.sentinel.tls.key_file)  # whether it may be read
        login = door_to_sentinels(params, self.environment.secret(file) if file else None)
        # A link has half of its time left to connect to the master.
        master = WatchedMaster(Sentinels(login, name, addresses, login.connect_seconds / 2), door, self.environment)
        links = self._links(master.connect, door)
        master.changed = links.renew
        self.environment.spawn(master.look(), "sentinels")
        return self._started(links)

    def _links(self, connect: Connect, door: Door) -> Links:
        return Links(
            self.waiting,
            self.environment,
            connect,
            door.connect_seconds,
            self.script,
            self.take,
            replicas=self.replicas,
        )

    def _started(self, links: Links) -> Links:
        links.start(self.number, "redis")
        return links

    def _cluster(self, params: Any, door: Door) -> Cluster:
        def new_node(address: Address, lost: Callable[[], None]) -> Node:
            node = Node(
                self.waiting,
                self.environment,
                lambda: door.open(address),
                door.connect_seconds,
                self.script,
                self.take,
                lost,
                self.replicas,
            )
            node.address = address
            node.start(self.number, f"redis {address[0]}:{address[1]}")
            return node

        cluster = Cluster(
            [address_of(each) for each in params.cluster.addresses],
            door,
            self.waiting,
            self.environment,
            self.take,
            self.without_identifier,
            new_node,
        )
        self.environment.spawn(cluster.look(), "cluster")
        return cluster
