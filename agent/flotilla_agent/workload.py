"""One workload's life: its place, its certificate, its Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import httpx

from flotilla_agent.bootstrap.bootstrap import ADMIN_PORT, make_bootstrap
from flotilla_agent.bootstrap.node import node_id
from flotilla_agent.config import AgentSettings, WorkloadConfig
from flotilla_agent.envoy.addresses import refuse_if_held
from flotilla_agent.envoy.admin import Admin, Owner
from flotilla_agent.envoy.log import FileLog, RelayedLog
from flotilla_agent.envoy.process import EnvoyProcess
from flotilla_agent.envoy.starting import StartingBootstrap
from flotilla_agent.errors import AdminUnavailable
from flotilla_agent.reports.watch import ReportWatch
from flotilla_agent.sds.files import FileSecrets
from flotilla_agent.sds.foreign import ForeignSecrets, NoForeignSecrets, SeveralSecrets
from flotilla_agent.sds.server import sds_server
from flotilla_agent.sds.socket_path import sds_socket
from flotilla_agent.status.standing import Standing
from flotilla_agent.status.state import State, why_not_ready
from flotilla_agent.status.view import envoy_view, reports_view
from flotilla_agent.status.workload_app import workload_app
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import CertificateSigner, WorkloadIdentity
from flotilla_shared.runtime.lifecycle import Tasks

STARTING_POLL_SECONDS = 0.05
READY_POLL_SECONDS = 2.0


class Workload:
    """Component. `start` returns at once; the workload goes its way in the background and says how far it is.

    Whatever keeps it from running is its state and reason, never an exception, and is tried again with back-off: an
    address may become free, a certificate may come, an Envoy may live longer next time. `admin_client` is the
    caller's, and outlives the workload. `status` makes what answers on the status port; `log` is where Envoy's words go;
    `foreign` has secrets that are neither its own nor in files.
    """

    def __init__(
        self,
        settings: AgentSettings,
        config: WorkloadConfig,
        signer: CertificateSigner,
        admin_client: httpx.AsyncClient,
        *,
        status: Callable[[Workload], Any] = workload_app,
        log: FileLog | RelayedLog | None = None,
        foreign: ForeignSecrets | None = None,
    ) -> None:
        self.config = config
        self.folder = settings.run_dir / config.folder
        self.admin = Admin(config.admin_address, admin_client, config.public_address)
        self.envoy = EnvoyProcess(config.name, settings, self.folder, self.admin, log)
        self.bootstrap = StartingBootstrap(config.name, settings, self.folder)
        name = spiffe_id(settings.trust_domain, config.namespace, config.service_account)
        self.identity = WorkloadIdentity(signer, name, settings.certificate_ttl_seconds)
        self._settings = settings
        self._socket = sds_socket(settings.run_dir, config.folder)
        self.files = FileSecrets(config.name)
        others = SeveralSecrets(self.files, foreign or NoForeignSecrets())
        self._sds = sds_server(config.name, self.identity, self._socket, others)
        self._status = HttpServer(status(self), config.public_address, config.status_port)
        self.reports = ReportWatch(config.name, self.admin, lambda: self.envoy.running)
        self._tasks = Tasks(f"workload:{config.name}")
        self._standing = Standing(config.name)
        self._stopping = asyncio.Lock()
        self._drained = False

    @property
    def state(self) -> State:
        return self._standing.state

    @property
    def reason(self) -> str:
        """Why it is not ready or will not be so for ever, for people; empty if all is well."""
        if self._standing.state is State.WAITING:
            return self.identity.last_error
        if self._standing.state is State.READY and self.identity.last_error:
            return f"the certificate cannot be renewed: {self.identity.last_error}"
        return self._standing.reason or self.bootstrap.problem

    def refuse_if_taken(self) -> None:
        """Raises WorkloadRefused if an address that it needs is held by another. Only while it does not run itself."""
        refuse_if_held(self.config.public_address, self.config.status_port, f"status of {self.config.name}")
        self._refuse_if_admin_taken()

    async def start(self) -> None:
        self._tasks.spawn(self._live(), "life")
        await self.reports.start()

    async def stop(self) -> None:
        """Drain and stop Envoy, then give up certificate and addresses. A second caller waits for the first."""
        async with self._stopping:
            if self._standing.state is State.STOPPED:
                return
            self._standing.set(State.DRAINING)
            await self._tasks.stop()
            await self.reports.stop()
            if not self._drained:
                await self.envoy.drain(inbound_only=self.config.kind == "sidecar")
            await self.envoy.stop()
            await self.identity.stop()
            await self._give_up_place()
            self._standing.set(State.STOPPED)

    async def drain(self) -> None:
        """Ask callers to leave, now; `stop` then does not wait for them again. For a pod whose application is to end
        before its Envoy.
        """
        self._drained = True
        await self.admin.drain(inbound_only=self.config.kind == "sidecar")

    async def view(self) -> dict[str, Any]:
        """What the control API shows of its Envoy and of its reports to Mixer."""
        return {"envoy": await envoy_view(self), "reports": reports_view(self.reports.reports)}

    async def metrics(self) -> str:
        """Envoy's page; empty while it does not answer."""
        if not self.envoy.running:
            return ""
        try:
            return await self.admin.prometheus()
        except AdminUnavailable:
            return ""

    async def _live(self) -> NoReturn:
        await self._standing.until_done(self._take_place)
        await self.identity.start()
        self._standing.set(State.WAITING)
        await self.identity.wait()
        while True:
            await self._standing.until_done(self._start_envoy)
            await self._follow()
            self._standing.set(State.FAILED, self.envoy.reason())
            await asyncio.sleep(self._standing.backoff.next())

    async def _take_place(self) -> None:
        """The status port is held from here to the end: it keeps a second agent off, with or without an Envoy."""
        self.refuse_if_taken()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        try:
            await self._status.start()
            await self._sds.start()
        except (OSError, RuntimeError):
            await self._give_up_place()
            raise

    async def _give_up_place(self) -> None:
        await self._sds.stop()
        await self.files.stop()
        await self._status.stop()

    async def _start_envoy(self) -> None:
        self._refuse_if_admin_taken()
        own = make_bootstrap(self._settings, self.config, self._socket)
        self.envoy.start(await self.bootstrap.of(own, await self.identity.wait()))
        self._standing.set(State.STARTING, "Envoy has just been started")

    def _refuse_if_admin_taken(self) -> None:
        """The admin address is the lock of a workload: Envoys would share every other port without a word."""
        refuse_if_held(self.config.admin_address, ADMIN_PORT, f"Envoy admin of {self.config.name}")

    async def _follow(self) -> None:
        """Watch a running Envoy until it ends."""
        while True:
            await self._look()
            if await self.envoy.ended(
                READY_POLL_SECONDS if self._standing.state is State.READY else STARTING_POLL_SECONDS
            ):
                return

    async def _look(self) -> None:
        try:
            reason = await self._why_not_ready()
        except AdminUnavailable as error:
            # At the start it is only not yet there.
            reason = str(error) if self._standing.state is State.READY else self._standing.reason
        if not self.envoy.running:
            return  # whoever answered was not ours
        if reason:
            self._standing.set(State.STARTING, reason)
        else:
            self._standing.backoff.reset()
            self._standing.set(State.READY)

    async def _why_not_ready(self) -> str:
        if self._standing.state is not State.READY:
            ours = Owner(node_id(self.config, self._settings.domain), str(self.envoy.bootstrap))
            owner = await self.admin.owner()
            if owner != ours:
                return (
                    f"{self.config.admin_address}:{ADMIN_PORT} is answered by the Envoy of {owner.node_id or 'nobody'}"
                )
        return why_not_ready(await self.admin.reading(), await self.admin.state(), self._settings.pilot.address)
