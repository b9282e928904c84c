"""All workloads of one agent: added, shown, removed, each with its status port."""

from __future__ import annotations

import asyncio
from typing import Any

from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.http import BindError, HttpServer
from flotilla_shared.runtime.identity import CertificateSigner
from flotilla_shared.runtime.logs import get_logger

from flotilla_agent.config import AgentSettings, WorkloadConfig, check_distinct
from flotilla_agent.errors import WorkloadRefused
from flotilla_agent.status.workload_app import STATUS_PORT, workload_app
from flotilla_agent.workload import Workload

_log = get_logger(__name__)


class Fleet:
    """Component. One bad workload never keeps the others from running."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._workloads: dict[str, Workload] = {}
        self._servers: dict[str, HttpServer] = {}

    async def start(self) -> None:
        self._settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for config in self._settings.workloads:
            await self._begin(config)

    async def stop(self) -> None:
        """All at once: the sum of their drains would take too long."""
        await asyncio.gather(*(self.remove(name) for name in list(self._workloads)))

    @property
    def workloads(self) -> list[Workload]:
        return list(self._workloads.values())

    async def view(self) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(each.view() for each in self._workloads.values())))

    async def add(self, config: WorkloadConfig) -> Workload:
        """Take a workload and begin. Raises WorkloadRefused."""
        if config.name in self._workloads:
            raise WorkloadRefused(f"there is a workload {config.name} already")
        try:
            check_distinct((*(each.config for each in self._workloads.values()), config))
        except ValueError as error:
            raise WorkloadRefused(str(error)) from error
        self._new(config).check()
        return await self._begin(config)

    async def remove(self, name: str) -> None:
        """Drain and stop a workload. Raises KeyError."""
        workload = self._workloads[name]
        await workload.stop()
        server = self._servers.pop(name, None)
        if server is not None:
            await server.stop()
        self._workloads.pop(name, None)

    def _new(self, config: WorkloadConfig) -> Workload:
        return Workload(self._settings, config, self._signer(config))

    def _signer(self, config: WorkloadConfig) -> CertificateSigner:
        citadel = self._settings.citadel
        return CitadelClient(citadel.address, citadel.server_name, citadel.root_cert_file, config.token_file)

    async def _begin(self, config: WorkloadConfig) -> Workload:
        workload = self._new(config)
        self._workloads[config.name] = workload
        await workload.start()
        server = HttpServer(workload_app(workload), config.address, STATUS_PORT)
        try:
            await server.start()
            self._servers[config.name] = server
        except BindError as error:
            _log.warning("no status port", workload=config.name, error=str(error))
        return workload
