"""One workload: its identity, its secrets, its Envoy, and what state it is in."""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.identity import CertificateSigner, WorkloadIdentity
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

from flotilla_agent.bootstrap.bootstrap import ADMIN_PORT, make_bootstrap
from flotilla_agent.bootstrap.node import node_id
from flotilla_agent.config import SOCKET_PATH_BYTES, AgentSettings, WorkloadConfig
from flotilla_agent.envoy.addresses import holder_of, is_free
from flotilla_agent.envoy.admin import Admin
from flotilla_agent.envoy.process import EnvoyProcess
from flotilla_agent.errors import AdminUnavailable, WorkloadRefused
from flotilla_agent.sds.server import sds_server

STARTING_POLL_SECONDS = 0.05
READY_POLL_SECONDS = 2.0

_log = get_logger(__name__)


class State(StrEnum):
    WAITING = "waiting-for-certificate"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"


class Workload:
    """Component. `start` returns at once; the workload goes its way in the background and says how far it is."""

    def __init__(self, settings: AgentSettings, config: WorkloadConfig, signer: CertificateSigner) -> None:
        self.config = config
        self._settings = settings
        self._folder = settings.run_dir / config.name
        self._socket = self._folder / "sds.sock"
        name = spiffe_id(settings.trust_domain, config.namespace, config.service_account)
        self.identity = WorkloadIdentity(signer, name, settings.certificate_ttl_seconds)
        self.admin = Admin(config.address)
        self.envoy = EnvoyProcess(
            config.name, settings.envoy, self._folder, self.admin, self._died, settings.concurrency
        )
        self._sds = sds_server(config.name, self.identity, self._socket)
        self._tasks = Tasks(f"workload:{config.name}")
        self._backoff = Backoff(first=0.2, cap=10.0)
        self._state = State.STOPPED
        self._reason = ""
        self._dead = asyncio.Event()

    @property
    def state(self) -> State:
        return self._state

    @property
    def reason(self) -> str:
        """Why it is not ready, for people; empty where it is."""
        if self._state is State.WAITING:
            return self.identity.last_error
        return self._reason

    def check(self) -> None:
        """Raises WorkloadRefused for what cannot work: the socket's path too long, the address held by another."""
        length = len(str(self._socket).encode())
        if length > SOCKET_PATH_BYTES:
            raise WorkloadRefused(
                f"the path of the SDS socket {self._socket} has {length} bytes; the kernel takes {SOCKET_PATH_BYTES}, "
                "so choose a shorter run folder"
            )
        address = self.config.address
        if not is_free(address, ADMIN_PORT):
            raise WorkloadRefused(
                f"{address}:{ADMIN_PORT}, the admin address of {self.config.name}, is held by "
                f"{holder_of(address, ADMIN_PORT)}; stop it, or give the workload another address"
            )

    async def start(self) -> None:
        """Begin. What keeps it from running is said in `state` and `reason`, not raised."""
        try:
            self.check()
            self._prepare()
        except (WorkloadRefused, OSError) as error:
            self._set(State.FAILED, str(error))
            return
        await self._sds.start()
        await self.identity.start()
        self._set(State.WAITING)
        self._tasks.spawn(self._run(), "run")

    async def stop(self) -> None:
        """Drain, stop Envoy, then its secrets."""
        self._set(State.DRAINING)
        await self._tasks.stop()
        if self.envoy.running:
            await self.envoy.drain(self._settings.drain_seconds)
        await self.envoy.stop()
        await self.identity.stop()
        await self._sds.stop()
        await self.admin.close()
        self._set(State.STOPPED)

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        bootstrap = make_bootstrap(self._settings, self.config, self._socket)
        (self._folder / "bootstrap.json").write_bytes(orjson.dumps(bootstrap, option=orjson.OPT_INDENT_2))

    def _set(self, state: State, reason: str = "") -> None:
        if state is not self._state or reason != self._reason:
            _log.info("workload", name=self.config.name, state=str(state), reason=reason)
        self._state, self._reason = state, reason

    def _died(self) -> None:
        self._dead.set()

    async def _run(self) -> None:
        await self.identity.wait()
        while True:
            self._dead.clear()
            try:
                self.check()
                self.envoy.start(self._settings.drain_seconds)
            except (OSError, WorkloadRefused) as error:
                self._set(State.FAILED, str(error))
            else:
                self._set(State.STARTING, "Envoy has no configuration yet")
                await self._watch()
                self._set(State.FAILED, f"Envoy {self.envoy.reason}")
            await asyncio.sleep(self._backoff.next())

    async def _watch(self) -> None:
        """Follow a running Envoy until it dies."""
        dead = asyncio.create_task(self._dead.wait())
        try:
            while not dead.done():
                await self._look()
                wait = READY_POLL_SECONDS if self._state is State.READY else STARTING_POLL_SECONDS
                await asyncio.wait({dead}, timeout=wait)
        finally:
            dead.cancel()

    async def _look(self) -> None:
        try:
            if self._state is State.READY:
                if not await self.admin.live():
                    self._set(State.STARTING, "Envoy is not live any more")
                return
            await self._look_at_start()
        except (AdminUnavailable, ValueError):
            if self._state is State.READY:
                self._set(State.STARTING, "Envoy's admin port does not answer")

    async def _look_at_start(self) -> None:
        answering = await self.admin.node_id()
        if answering != node_id(self.config):
            self._set(
                State.STARTING, f"{self.config.address} answers for {answering or 'nobody'}, not for this workload"
            )
            return
        summary = await self.admin.summary()
        if summary["update_rejected"]:
            self._set(State.STARTING, "Envoy rejected the configuration that Pilot sent; its log says why")
        elif not summary["connected"] and not summary["configured"]:
            self._set(State.STARTING, f"Pilot at {self._settings.pilot.address} does not answer yet")
        elif summary["configured"] and await self.admin.live():
            self._backoff.reset()
            self._set(State.READY)

    async def view(self) -> dict[str, Any]:
        """The workload for the control API."""
        return {
            "name": self.config.name,
            "namespace": self.config.namespace,
            "address": self.config.address,
            "state": str(self.state),
            "reason": self.reason,
            "certificate": self._certificate(),
            "envoy": await self._envoy_view(),
        }

    def _certificate(self) -> dict[str, Any] | None:
        current = self.identity.current
        if current is None:
            return None
        return {
            "spiffe": current.spiffe,
            "not_before": current.not_before.isoformat(),
            "not_after": current.not_after.isoformat(),
            "serial": f"{current.serial:x}",
            "last_error": self.identity.last_error,
        }

    async def _envoy_view(self) -> dict[str, Any]:
        view: dict[str, Any] = {"pid": self.envoy.pid, "connected": False, "update_rejected": 0, "listeners": 0}
        if self.envoy.running:
            with contextlib.suppress(AdminUnavailable, ValueError):
                view |= await self.admin.summary()
        return view

    @property
    def folder(self) -> Path:
        return self._folder
