"""What handlers are given in tests that have no Mixer around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_mixer.authorization.engine import PolicyEngine
from flotilla_mixer.authorization.roles import RoleEngine
from flotilla_mixer.kit.adapter import Judge, KnownWorkload
from flotilla_mixer.kit.counters import HandlerCounters
from flotilla_mixer.kit.environment import HandlerEnvironment
from flotilla_mixer.kit.secrets import ANY_FOLDER, SecretFolders
from flotilla_shared.runtime.metrics import ServiceMetrics

NAME = "handler.handler.test"


class Background(HandlerEnvironment):
    """The kit's Environment with the workloads of a test, and what was counted."""

    def __init__(
        self,
        workloads: Iterable[KnownWorkload] = (),
        policies: Judge | None = None,
        roles: Judge | None = None,
        secrets: SecretFolders = ANY_FOLDER,
    ) -> None:
        self._policies: Judge = policies or PolicyEngine()
        self._roles: Judge = roles or RoleEngine()
        self.metrics = ServiceMetrics("mixer")
        super().__init__(HandlerCounters(self.metrics).of(NAME), secrets)
        self._workloads = list(workloads)

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        return next((each for each in self._workloads if (each.namespace, each.name) == (namespace, name)), None)

    def workload_at(self, address: str) -> KnownWorkload | None:
        found = [each for each in self._workloads if address in each.addresses]
        return found[0] if len(found) == 1 else None

    def policies(self) -> Judge:
        return self._policies

    def roles(self) -> Judge:
        return self._roles

    async def stop(self, grace_seconds: float = 0.0) -> None:
        """Close it; what waits to be sent has so long."""
        await self.close(grace_seconds)

    def counted(self, name: str) -> Mapping[str, int]:
        """A counter by cause, or by "" if it has none: `sent`, `dropped`, `waiting`, `retries`, `backend_errors`."""
        names = {f"mixer_handler_{name}", f"mixer_handler_{name}_total", f"mixer_handler_entries_{name}"}
        names.add(f"mixer_handler_entries_{name}_total")
        return {
            sample.labels.get("cause", ""): int(sample.value)
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name in names and sample.value
        }
