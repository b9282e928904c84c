"""processes.yaml: the part of a mesh on one machine that no Istio object says, namely the processes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import yaml

from flotilla_cli.errors import PlanError

NAME = "processes.yaml"
SERVICES = ("citadel", "galley", "pilot", "mixer")
MONOLITH = "monolith"
RESERVED = frozenset((*SERVICES, MONOLITH, "agent", "supervisor"))


class ServiceConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where a service of the control plane listens; its ports are the standard ones."""

    address: str


class WorkloadConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One workload's process. `kind: router` is an Envoy alone; `start: false` waits for `flotilla run`."""

    name: str
    kind: Literal["sidecar", "router"] = "sidecar"
    application_address: str = ""
    command: tuple[str, ...] = ()
    environment: dict[str, str | int] = {}
    start: bool = True


class ProcessesConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    control_plane: dict[str, ServiceConfig]
    workloads: tuple[WorkloadConfig, ...]


def read_processes(file: Path) -> ProcessesConfig:
    """The file, checked; raises PlanError with one sentence that names the file and the place in it."""
    try:
        content = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        config = msgspec.convert(content, ProcessesConfig)
    except OSError as error:
        raise PlanError(f"{file} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise PlanError(f"{file} is not YAML: {_one_line(error)}.") from error
    except msgspec.ValidationError as error:
        raise PlanError(f"{file} is not as it must be: {error}.") from error
    _check(file, config)
    return config


def _check(file: Path, config: ProcessesConfig) -> None:
    missing = [service for service in SERVICES if service not in config.control_plane]
    unknown = sorted(set(config.control_plane) - set(SERVICES))
    if missing or unknown:
        wrong = f"{missing[0]} is missing" if missing else f"{unknown[0]} is no service"
        raise PlanError(f"{file}, control_plane: {wrong}; it must hold {', '.join(SERVICES)}.")
    seen: set[str] = set()
    for workload in config.workloads:
        fault = _fault(workload, seen)
        if fault:
            raise PlanError(f"{file}, workload {workload.name or '(without name)'}: {fault}.")
        seen.add(workload.name)


def _fault(workload: WorkloadConfig, seen: set[str]) -> str:
    """What is wrong with a workload, or ""."""
    name = workload.name
    if not name or not all(part.isalnum() for part in name.split("-")) or not name.isascii():
        return "a name is made of letters, digits and dashes, since its files are named by it"
    if name in seen:
        return "the name occurs twice"
    if name in RESERVED:
        return "the name is that of a part of the mesh itself"
    if workload.kind == "router":
        if workload.command or workload.application_address:
            return "a router is an Envoy alone and has neither command nor application_address"
        return ""
    if not workload.command:
        return "command is missing (a list: the program and its arguments)"
    if not workload.application_address:
        return "application_address is missing (where the application listens, 127.0.1.N by custom)"
    return ""


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
