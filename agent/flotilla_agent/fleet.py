"""All workloads of one agent: added, shown, removed."""

from __future__ import annotations

import asyncio
from typing import Any

from flotilla_agent.config import AgentSettings, WorkloadConfig, check_distinct
from flotilla_agent.envoy.admin import open_client
from flotilla_agent.errors import WorkloadRefused
from flotilla_agent.proxyless.workload import ProxylessWorkload
from flotilla_agent.sds.socket_path import check_socket_path, sds_socket
from flotilla_agent.status.living import LivingWorkload
from flotilla_agent.status.view import workload_view
from flotilla_agent.workload import Workload
from flotilla_shared.runtime.citadel_client import CitadelClient


class Fleet:
    """Component. One bad workload never keeps the others from running."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._workloads: dict[str, LivingWorkload] = {}
        self._admin_client = open_client()

    @property
    def workloads(self) -> list[LivingWorkload]:
        return list(self._workloads.values())

    async def start(self) -> None:
        """Raises OSError if the run folder cannot be made."""
        self._settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for config in self._settings.workloads:
            await self._begin(config)

    async def stop(self) -> None:
        """Gateways before the workloads that they call; within each, all at once."""
        for gateways in (True, False):
            chosen = (each for each in self.workloads if (each.config.kind == "router") is gateways)
            await asyncio.gather(*(each.stop() for each in chosen))
        await self._admin_client.aclose()

    async def view(self) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(workload_view(each) for each in self.workloads)))

    async def add(self, config: WorkloadConfig) -> LivingWorkload:
        """Take one more and begin. Raises WorkloadRefused, also for an address that is held at this moment."""
        try:
            check_distinct([*(each.config for each in self.workloads), config])
            check_socket_path(sds_socket(self._settings.run_dir, config.folder))
        except ValueError as error:
            raise WorkloadRefused(str(error)) from error
        workload = self._make(config)
        workload.refuse_if_taken()
        return await self._begin(config, workload)

    async def remove(self, name: str) -> LivingWorkload:
        """Drain and stop one; gives it, stopped. Raises KeyError."""
        workload = self._workloads[name]
        await workload.stop()
        self._workloads.pop(name, None)
        return workload

    def _make(self, config: WorkloadConfig) -> LivingWorkload:
        citadel = self._settings.citadel
        signer = CitadelClient(citadel.address, citadel.server_name, citadel.root_cert_file, config.token_file)
        if config.kind == "grpc":
            return ProxylessWorkload(self._settings, config, signer)
        return Workload(self._settings, config, signer, self._admin_client)

    async def _begin(self, config: WorkloadConfig, workload: LivingWorkload | None = None) -> LivingWorkload:
        taken = self._workloads[config.name] = workload or self._make(config)
        await taken.start()
        return taken
