"""Asks the supervisor's children, the services, the agent, Pilot and Galley, all at once, for one answer.

The answer is the JSON of `flotilla status --json`:

    supervisor  pid, phase, processes (of the control plane), directory, run_dir, began (seconds since the epoch)
    services    name, state (running, stopped, died), pid, ready, reasons, address
    workloads   name, namespace, kind, address, state, reason, application {state, pid, reason},
                certificate, envoy and reports as the agent gives them
    proxies     Pilot's /debug/syncz, or null while Pilot is silent
    objects     Galley's /debug/status, or null while Galley is silent
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from flotilla_cli.plan.plan import Workload
from flotilla_cli.plan.processes import SERVICES
from flotilla_cli.supervision.probe import Readiness
from flotilla_cli.supervision.supervisor import AGENT, Supervisor
from flotilla_shared.runtime.child import Child, State

PILOT_DEBUG_PORT = 8080


async def gather(supervisor: Supervisor) -> dict[str, Any]:
    """The whole status; parts that are silent are said to be so, and nothing raises."""
    addresses, probe = supervisor.plan.addresses, supervisor.probe
    services, agent, proxies, galley = await asyncio.gather(
        asyncio.gather(*(service_status(supervisor, name) for name in SERVICES)),
        probe.workloads(),
        probe.debug(addresses["pilot"], "syncz", PILOT_DEBUG_PORT),
        probe.debug(addresses["galley"], "status"),
    )
    known = {workload["name"]: workload for workload in agent or []}
    return {
        "supervisor": {
            "pid": os.getpid(),
            "phase": supervisor.phase,
            "processes": list(supervisor.processes),
            "directory": str(supervisor.plan.directory),
            "run_dir": str(supervisor.folder.path),
            "began": supervisor.began,
        },
        "services": [*services, _agent(supervisor.fleet.child(AGENT), agent is not None)],
        "workloads": [
            _workload(supervisor, workload, known.get(workload.name)) for workload in supervisor.plan.workloads.values()
        ],
        "proxies": proxies,
        "objects": galley,
    }


async def service_status(supervisor: Supervisor, name: str) -> dict[str, Any]:
    """One service: its process, and what it says of itself."""
    child, address = supervisor.process_of(name), supervisor.plan.addresses[name]
    readiness = await supervisor.probe.ready(address) if child.state is State.RUNNING else Readiness(False)
    # Looked at after the answer: a service that died meanwhile is silent for that reason.
    if child.state is not State.RUNNING:
        readiness = Readiness(False, tuple(filter(None, [child.reason()])))
    return {**_process(name, child), "ready": readiness.ready, "reasons": list(readiness.reasons), "address": address}


def _agent(child: Child, answers: bool) -> dict[str, Any]:
    running = child.state is State.RUNNING
    reason = "" if answers else "its control socket does not answer" if running else child.reason()
    return {
        **_process(AGENT, child),
        "ready": running and answers,
        "reasons": [reason] if reason else [],
        "address": "",
    }


def _process(name: str, child: Child) -> dict[str, Any]:
    return {"name": name, "state": str(child.state), "pid": child.pid}


def _workload(supervisor: Supervisor, workload: Workload, known: dict[str, Any] | None) -> dict[str, Any]:
    state, reason = _joined(supervisor, workload.name, known)
    return {
        "name": workload.name,
        "namespace": workload.namespace,
        "kind": workload.kind,
        "address": workload.address,
        "state": state,
        "reason": reason,
        "application": _application(supervisor, workload),
        "certificate": (known or {}).get("certificate"),
        "envoy": (known or {}).get("envoy"),
        "reports": (known or {}).get("reports"),
    }


def _joined(supervisor: Supervisor, name: str, known: dict[str, Any] | None) -> tuple[str, str]:
    """A workload's state in the mesh: the agent's word, or why there is none."""
    if known is not None:
        return str(known.get("state", "")), str(known.get("reason") or "")
    if name not in supervisor.joined:
        return "stopped", "" if supervisor.plan.workloads[name].start else "`flotilla run` starts it"
    state = supervisor.fleet.child(AGENT).state
    return "unknown", "the agent does not answer" if state is State.RUNNING else f"the agent is {state}"


def _application(supervisor: Supervisor, workload: Workload) -> dict[str, Any] | None:
    if not workload.command:
        return None
    child = supervisor.fleet.child(workload.name)
    return {"state": str(child.state), "pid": child.pid, "reason": child.reason()}
