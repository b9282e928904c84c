"""The configuration that a command means, and the proxies of its workloads."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from flotilla_cli.commands.place import run_dir
from flotilla_cli.mesh import Mesh
from flotilla_cli.offline.configuration import Configuration, read_configuration, read_settings
from flotilla_cli.plan.plan import CONFIG, MESH, Plan, read_plan
from flotilla_cli.plan.processes import NAME
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.services import Endpoint
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot
from flotilla_pilot.offline.proxies import find_proxy, proxy_of, read_proxy


@dataclass(frozen=True)
class Workloads:
    """Objects, and where there is one the plan of a mesh on one machine, which says more of its proxies."""

    configuration: Configuration
    plan: Plan | None = None
    settings: MeshSettings = field(default_factory=MeshSettings)

    @classmethod
    def of(cls, arguments: Namespace) -> Workloads:
        """The files of `--config`, `--mesh` and `--settings`; without the first those of the mesh that is up. Raises
        FlotillaError.
        """
        settings = read_settings(arguments.settings)
        if not arguments.config:
            return cls.of_plan(Mesh.attach(run_dir(arguments)).plan, arguments.mesh, settings)
        if len(arguments.config) == 1 and (arguments.config[0] / NAME).is_file():
            return cls.of_plan(read_plan(arguments.config[0]), arguments.mesh, settings)
        return cls(read_configuration(arguments.config, arguments.mesh), settings=settings)

    @classmethod
    def of_plan(cls, plan: Plan, mesh: Path | None = None, settings: MeshSettings | None = None) -> Workloads:
        return cls(
            read_configuration([plan.directory / CONFIG], mesh or plan.directory / MESH),
            plan,
            settings or MeshSettings(),
        )

    @cached_property
    def snapshot(self) -> MeshSnapshot:
        return self.configuration.snapshot(self.settings)

    def caller(self, name: str) -> Proxy:
        """The proxy of a workload by name; raises UnknownWorkload."""
        planned = self._planned(name.partition(".")[0])
        return planned or find_proxy(self.snapshot, name)

    def beside(self, endpoint: Endpoint) -> Proxy:
        """The proxy beside an endpoint."""
        return self._planned(endpoint.name) or proxy_of(self.snapshot, endpoint)

    def _planned(self, name: str) -> Proxy | None:
        """On one machine nothing is intercepted, and application and proxy have an address each."""
        found = self.plan.workloads.get(name) if self.plan is not None else None
        if found is None:
            return None
        return read_proxy(
            {
                "type": found.kind,
                "id": f"{found.name}.{found.namespace}",
                "namespace": found.namespace,
                "ipAddresses": [each for each in (found.application_address, found.address) if each],
                "labels": dict(found.labels),
                "serviceAccount": found.service_account,
                "metadata": {"INTERCEPTION_MODE": "NONE"},
            }
        )
