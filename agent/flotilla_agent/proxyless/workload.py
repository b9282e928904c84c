"""One workload without an Envoy: its place, its certificate, its way to Pilot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from flotilla_agent.config import AgentSettings, WorkloadConfig
from flotilla_agent.envoy.addresses import refuse_if_held
from flotilla_agent.proxyless.certificate_files import write_certificate
from flotilla_agent.proxyless.grpc_bootstrap import make_grpc_bootstrap, write_grpc_bootstrap
from flotilla_agent.proxyless.relay import XdsRelay, xds_server, xds_socket
from flotilla_agent.status.standing import Standing
from flotilla_agent.status.state import State
from flotilla_agent.status.workload_app import workload_app
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import CertificateSigner, WorkloadIdentity
from flotilla_shared.runtime.lifecycle import Tasks


class ProxylessWorkload:
    """Component. `start` returns at once; the workload goes its way in the background and says how far it is.

    It is ready when its files are written and its socket is open. What keeps it from that is its state and reason,
    and is tried again. The application may start before: gRPC waits for its bootstrap's server, not for the file.
    """

    def __init__(
        self,
        settings: AgentSettings,
        config: WorkloadConfig,
        signer: CertificateSigner,
        *,
        status: Callable[[ProxylessWorkload], Any] = workload_app,
    ) -> None:
        self.config = config
        self.folder = settings.run_dir / config.folder
        name = spiffe_id(settings.trust_domain, config.namespace, config.service_account)
        self.identity = WorkloadIdentity(signer, name, settings.certificate_ttl_seconds)
        self.relay = XdsRelay(settings.pilot, self.identity)
        self._settings = settings
        self._socket = xds_socket(settings.run_dir, config.folder)
        self._server = xds_server(self.relay, self._socket, 0o660 if config.shared_with_group else 0o600)
        self._status = HttpServer(status(self), config.public_address, config.status_port)
        self._tasks = Tasks(f"workload:{config.name}")
        self._standing = Standing(config.name)
        self._stopping = asyncio.Lock()
        self._serving = False
        self._forget: Callable[[], None] = lambda: None

    @property
    def state(self) -> State:
        return self._standing.state

    @property
    def reason(self) -> str:
        """Why it is not ready or will not be so for ever, for people; empty if all is well."""
        return self._standing.reason or self.identity.last_error

    def refuse_if_taken(self) -> None:
        """Raises WorkloadRefused if its status port is held by another. Only while it does not run itself."""
        refuse_if_held(self.config.public_address, self.config.status_port, f"status of {self.config.name}")

    async def start(self) -> None:
        self._tasks.spawn(self._live(), "life")

    async def stop(self) -> None:
        """Close its streams, give up certificate and address. A second caller waits for the first."""
        async with self._stopping:
            if self._standing.state is State.STOPPED:
                return
            self._standing.set(State.DRAINING)
            await self._tasks.stop()
            self._forget()
            await self.identity.stop()
            await self._give_up_place()
            self._standing.set(State.STOPPED)

    async def drain(self) -> None:
        """Nothing to ask of anybody: the calls are the application's own."""

    async def view(self) -> dict[str, Any]:
        """What it has instead of an Envoy, plain data."""
        return {"xds": {"socket": str(self._socket), "streams": self.relay.open}}

    async def metrics(self) -> str:
        """None but the agent's own: the application has its own page."""
        return ""

    async def _live(self) -> NoReturn:
        await self._standing.until_done(self._take_place)
        await self.identity.start()
        self._standing.set(State.WAITING)
        renewed = asyncio.Event()
        self._forget = self.identity.subscribe(lambda _: renewed.set())
        await self.identity.wait()
        renewed.set()
        while True:
            await renewed.wait()
            renewed.clear()
            await self._standing.until_done(self._offer)

    async def _take_place(self) -> None:
        self.refuse_if_taken()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o2750 if self.config.shared_with_group else 0o700)
        content = make_grpc_bootstrap(self._settings, self.config, self.folder.absolute(), self._socket.absolute())
        await asyncio.to_thread(write_grpc_bootstrap, self.folder, content)
        await self._status.start()

    async def _offer(self) -> None:
        """The newest certificate as files, and the way to Pilot, which stays open from the first on."""
        mode = 0o640 if self.config.shared_with_group else 0o600
        await asyncio.to_thread(write_certificate, self.folder, await self.identity.wait(), mode)
        if not self._serving:
            await self._server.start()
            self._serving = True
        self._standing.backoff.reset()
        self._standing.set(State.READY)

    async def _give_up_place(self) -> None:
        await self._server.stop()
        await self._status.stop()
