"""The processes of a mesh as commands: what is run, with which environment, into which log."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from flotilla_cli.plan.plan import Workload
from flotilla_cli.plan.processes import MONOLITH
from flotilla_cli.run_folder import RunFolder
from flotilla_shared.runtime.child import Command

# Proxies of the user's own network are not for the mesh: grpcio and Python's clients would go through them.
PROXIES = frozenset(("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "no_proxy", "no_grpc_proxy"))


class Commands:
    """Makes them; `environment` is the supervisor's own."""

    def __init__(self, folder: RunFolder, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = clean(environment)

    def service(self, name: str) -> Command:
        """One of the four services, all four in one process, or the agent."""
        if name == MONOLITH:
            whole = (sys.executable, "-m", "flotilla_cli.monolith", str(self._folder.path))
            return Command(whole, self._environment, self._folder.log(name))
        settings = str(self._folder.settings(name))
        arguments = (sys.executable, "-m", f"flotilla_{name}", "serve", "--config", settings)
        return Command(arguments, self._environment, self._folder.log(name))

    def application(self, workload: Workload) -> Command:
        environment = {**self._environment, "POD_NAME": workload.name, **workload.environment}
        # Python and curl read the lower case, others the upper.
        for name in PROXIES & environment.keys():
            environment.setdefault(name.upper(), environment[name])
        return Command(workload.command, environment, self._folder.log(workload.name))


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Without proxies, and with this Python's programs first in PATH: `python` in processes.yaml means this
    one.
    """
    kept = {name: value for name, value in environment.items() if name.lower() not in PROXIES}
    own = str(Path(sys.executable).parent)
    kept["PATH"] = os.pathsep.join([own, kept.get("PATH", os.defpath)])
    return kept
