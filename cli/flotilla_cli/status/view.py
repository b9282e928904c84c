"""The status of a mesh as values, over the JSON of `flotilla status --json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """A service, the agent or a workload. `reason` says why it is not ready, or is empty."""

    name: str
    state: str
    pid: int | None
    ready: bool
    reason: str


class MeshStatus:
    """One answer of the supervisor. `raw` is all of it."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw

    @property
    def services(self) -> dict[str, Part]:
        return {
            service["name"]: Part(
                service["name"],
                service["state"],
                service["pid"],
                service["ready"],
                "; ".join(service["reasons"]),
            )
            for service in self.raw["services"]
        }

    @property
    def workloads(self) -> dict[str, Part]:
        """`pid` is the application's, or for a router its Envoy's; dead applications make a workload
        `died`.
        """
        return {workload["name"]: _workload(workload) for workload in self.raw["workloads"]}

    @property
    def proxies(self) -> list[Mapping[str, Any]]:
        """What Pilot knows of each proxy; empty while it is silent."""
        return as_list(self.raw["proxies"], "proxies")

    @property
    def objects(self) -> list[Mapping[str, Any]]:
        """What Galley knows of each object; empty while it is silent."""
        return as_list(self.raw["objects"], "objects")

    def part(self, name: str) -> Part:
        """Raises KeyError for a name that the mesh does not have."""
        return {**self.services, **self.workloads}[name]

    def workload(self, name: str) -> Mapping[str, Any]:
        """All that is known of a workload; KeyError if there is none of that name."""
        found: dict[str, Mapping[str, Any]] = {item["name"]: item for item in self.raw["workloads"]}
        return found[name]


def _workload(workload: Mapping[str, Any]) -> Part:
    application, envoy = workload["application"] or {}, workload["envoy"] or {}
    if application.get("state") == "died":
        return Part(workload["name"], "died", None, False, application["reason"])
    ready = workload["state"] == "ready"
    pid = application.get("pid") if application else envoy.get("pid")
    return Part(workload["name"], workload["state"], pid, ready, "" if ready else workload["reason"])


def as_list(answer: object, key: str) -> list[Mapping[str, Any]]:
    """Debug topics answer a list, or an object that holds one."""
    found = answer.get(key) if isinstance(answer, Mapping) else answer
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
