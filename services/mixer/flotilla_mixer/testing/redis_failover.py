"""Redis with a replica that three Sentinels watch, and a Redis Cluster: processes of a test's own, on loopback."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from flotilla_mixer.testing.redis_server import RedisServer, demand_redis
from flotilla_shared.testing.ports import free_port

MASTER = "flotilla"
DOWN_MILLISECONDS = 500  # of silence until a server is taken for dead
DEADLINE_SECONDS = 90.0  # a Sentinel that finds its machine busy does nothing for half a minute


async def until(holds: Callable[[], Any]) -> None:
    """Nothing tells of what servers agree on, so they are asked until they do. TimeoutError after a minute and a half."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not _holds(holds):  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.02)


def wait_until(holds: Callable[[], Any]) -> None:
    """As `until`, for fixtures."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not _holds(holds):
        if time.monotonic() > deadline:
            raise TimeoutError("the servers do not agree")
        time.sleep(0.02)


def _holds(holds: Callable[[], Any]) -> bool:
    try:
        return bool(holds())
    except RedisError:
        return False


class SentinelServer(RedisServer):
    """One Sentinel. It begins with what its file says, and writes there what it learns, so that it knows it after a
    restart.
    """

    program = "redis-sentinel"
    ready = "+monitor master"

    def __init__(self, folder: Path, options: Sequence[str], lines: Sequence[str], login: Mapping[str, Any]) -> None:
        super().__init__(folder, options, login=login)
        self._file = folder / f"sentinel-{self.port}.conf"
        self._file.write_text("".join(f"{line}\n" for line in lines))

    def _first(self) -> Sequence[str]:
        return (str(self._file),)


class Watched:
    """A master, a replica and three Sentinels. `options` are for all, `of_redis` for the two that count, `lines` stand in
    the Sentinels' files. `login` and `of_sentinels` are what clients must say to the one and the other.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        of_redis: Sequence[str] = (),
        lines: Sequence[str] = (),
        login: Mapping[str, Any] | None = None,
        of_sentinels: Mapping[str, Any] | None = None,
    ) -> None:
        one = RedisServer(folder, (*options, *of_redis), login=login)
        more = ("--replicaof", f"127.0.0.1 {one.port}")
        self.redis = [one, RedisServer(folder, (*options, *of_redis, *more), login=login)]
        watch = [
            f"sentinel monitor {MASTER} 127.0.0.1 {one.port} 2",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MILLISECONDS}",
            f"sentinel failover-timeout {MASTER} 3000",
            *lines,
        ]
        self.sentinels = [SentinelServer(folder, options, watch, of_sentinels or {}) for _ in range(3)]

    def start(self) -> None:
        """Returns when all know of all."""
        for each in (*self.redis, *self.sentinels):
            each.start()
        wait_until(lambda: all(self._knows_all(each) for each in self.sentinels))

    @staticmethod
    def _knows_all(sentinel: RedisServer) -> bool:
        with sentinel.client() as client:
            state: Any = client.sentinel_master(MASTER)
            replicas: Any = client.sentinel_slaves(MASTER)
        return state["num-other-sentinels"] == 2 and any(each["slave-repl-offset"] for each in replicas)

    @property
    def addresses(self) -> list[str]:
        """Of the Sentinels."""
        return [each.address for each in self.sentinels]

    def master(self) -> RedisServer:
        """As the Sentinels that run agree; RedisError while they do not."""
        said = set()
        for each in self.sentinels:
            if each.runs:
                with each.client() as client:
                    found: Any = client.sentinel_get_master_addr_by_name(MASTER)
                said.add(int(found[1]))
        if len(said) != 1:
            raise RedisError("they do not agree")
        return next(each for each in self.redis if each.port == next(iter(said)))

    def kill(self) -> None:
        for each in (*self.redis, *self.sentinels):
            each.kill()


class ClusterServers:
    """Three masters that share all slots, and where `replicas` is set a replica of each.

    `redis` are all of them, the first three the masters that begin. `cli` is what redis-cli needs to log in.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        *,
        replicas: bool = False,
        login: Mapping[str, Any] | None = None,
        cli: Sequence[str] = (),
    ) -> None:
        self.redis: list[RedisServer] = []
        self._replicas = replicas
        self._cli = cli
        for number in range(6 if replicas else 3):
            own = folder / f"node-{number}"  # where it keeps what it knows of the others
            own.mkdir()
            self.redis.append(RedisServer(own, (*options, *_cluster_options()), login=login))

    def start(self) -> None:
        """Returns when all slots are served, by all that any node knows."""
        for each in self.redis:
            each.start()
        self.cli("create", *self.addresses, "--cluster-replicas", "1" if self._replicas else "0", "--cluster-yes")
        wait_until(lambda: all(self.is_whole(each) for each in self.redis))
        for each in self.redis[3:]:
            wait_until(lambda: _follows(each))  # noqa: B023  # called here

    def cli(self, *words: str) -> str:
        """What `redis-cli --cluster` says. RuntimeError with that when it fails."""
        command = ["redis-cli", *self._cli, "--cluster", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: S603
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    @staticmethod
    def is_whole(server: RedisServer) -> bool:
        """Whether it says that all slots are served."""
        with server.client() as client:
            state: Any = client.execute_command("CLUSTER INFO")
        return bool(state["cluster_state"] == "ok")

    def owner(self, slot: int) -> RedisServer:
        """As the first node that runs knows."""
        running = next(each for each in self.redis if each.runs)
        with running.client() as client:
            spans: Any = client.execute_command("CLUSTER SLOTS")
        port = next(master[1] for first, last, master, *_ in spans if first <= slot <= last)
        return next(each for each in self.redis if each.port == port)

    def begin_move(self, slot: int, there: RedisServer) -> RedisServer:
        """Open the slot's way to that master; gives the one that has it. `end_move` must follow."""
        here = self.owner(slot)
        with here.client() as old, there.client() as new:
            new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", _name(old))
            old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", _name(new))
        return here

    def move_keys(self, slot: int, here: RedisServer, there: RedisServer) -> int:
        """One key after the other, all that there are. Gives how many."""
        moved = 0
        with here.client() as old:
            while keys := old.execute_command("CLUSTER GETKEYSINSLOT", slot, 1):
                old.execute_command("MIGRATE", "127.0.0.1", there.port, keys[0], 0, 5000)
                moved += 1
        return moved

    def end_move(self, slot: int, here: RedisServer, there: RedisServer) -> None:
        """Tell the new owner first, so that nobody is without one."""
        with there.client() as new, here.client() as old:
            name = _name(new)
            for client in (new, old):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", name)

    @property
    def addresses(self) -> list[str]:
        return [each.address for each in self.redis]

    def kill(self) -> None:
        for each in self.redis:
            each.kill()


def _cluster_options() -> Sequence[str]:
    options = {
        "cluster-enabled": "yes",
        "cluster-port": str(free_port()),  # the usual one may be another's
        "cluster-node-timeout": "1000",
        "cluster-replica-validity-factor": "0",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _name(client: Any) -> str:
    return str(client.execute_command("CLUSTER MYID"))


def _follows(replica: RedisServer) -> bool:
    with replica.client() as client:
        state: Any = client.info("replication")
    return bool(state["master_link_status"] == "up")


def running_watched(folder: Path, **options: Any) -> Iterator[Watched]:
    """For fixtures; see `demand_redis`."""
    demand_redis("redis-sentinel")
    servers = Watched(folder, **options)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()


def running_cluster(folder: Path, options: Sequence[str] = (), **more: Any) -> Iterator[ClusterServers]:
    """For fixtures; see `demand_redis`."""
    demand_redis("redis-cli")
    servers = ClusterServers(folder, options, **more)
    try:
        servers.start()
        yield servers
    finally:
        servers.kill()
