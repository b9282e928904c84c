"""Who of several replicas leads: a coordination.k8s.io/v1 Lease, as client-go holds one.

A holder renews every 2 s, and gives up what it could not renew for 10 s; others may take it 15 s after they last saw it
change, by their own clocks: those of two machines are never compared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from flotilla_shared.runtime.kube.objects import Lease, LeaseSpec
from flotilla_shared.runtime.kube.resources import LEASES
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. `give_up` must be above `retry` and below `duration`."""

    duration: float = 15.0
    give_up: float = 10.0
    retry: float = 2.0


class LeaderElection:
    """Component. `on_lead` and `on_lose` are called on the loop, in turns, `on_lead` first; they must not raise.

    `identity` names this replica: its pod. A Lease that is there without a holder is taken, one that is not there is made.
    `stop` gives it back, so that another replica need not wait.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        on_lead: Callable[[], None] = lambda: None,
        on_lose: Callable[[], None] = lambda: None,
        *,
        times: LeaseTimes = LeaseTimes(),  # immutable
    ) -> None:
        self.leading = False
        self.holder = ""
        self.last_error = ""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._on_lead = on_lead
        self._on_lose = on_lose
        self._times = times
        self._tasks = Tasks(f"lease:{name}")
        self._seen: LeaseSpec | None = None
        self._seen_at = 0.0
        self._renewed_at = 0.0

    async def start(self) -> None:
        """Begin; returns at once, whoever leads."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()
        if self.leading:
            self._lose("stopped")
            await self._give_back()

    async def _keep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._times.give_up):
                    await self._try()
                self.last_error = ""
            except (Conflict, AlreadyExists):
                pass  # somebody else was quicker
            except (KubeError, TimeoutError) as error:
                self._failed(str(error) or "no answer in time")
            if self.leading and time.monotonic() - self._renewed_at > self._times.give_up:
                self._lose(self.last_error or "it could not be renewed")
            await asyncio.sleep(self._times.retry)

    def _failed(self, text: str) -> None:
        if text != self.last_error:
            _log.warning("lease not reachable", lease=self._name, error=text)
        self.last_error = text

    async def _try(self) -> None:
        """One look at the Lease, and one write where it is ours or free. Raises KubeError."""
        began = time.monotonic()
        try:
            lease = await self._client.get_as(LEASES.path(self._namespace, self._name), Lease)
        except NotFound:
            await self._client.create(LEASES.path(self._namespace), self._new())
            self._hold(began)
            return
        if self._may_take(lease.spec):
            await self._take(lease)
            self._hold(began)
        elif self.leading:
            self._lose(f"{lease.spec.holder_identity} holds it")

    def _may_take(self, spec: LeaseSpec) -> bool:
        if spec != self._seen:
            self._seen, self._seen_at = spec, time.monotonic()
        self.holder = spec.holder_identity or ""
        if self.holder in ("", self._identity):
            return True
        duration = spec.lease_duration_seconds or self._times.duration
        return time.monotonic() - self._seen_at > duration

    async def _take(self, lease: Lease) -> None:
        spec = lease.spec
        ours = spec.holder_identity == self._identity
        changes: dict[str, Any] = self._spec()
        if not ours:
            changes["acquireTime"] = changes["renewTime"]
            changes["leaseTransitions"] = (spec.lease_transitions or 0) + 1
        await self._write(lease.metadata.resource_version, changes)

    async def _write(self, version: str, spec: dict[str, Any]) -> None:
        """Only over the version that was read. Raises Conflict."""
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        await self._client.patch(LEASES.path(self._namespace, self._name), body)

    def _spec(self) -> dict[str, Any]:
        duration = max(1, round(self._times.duration))
        return {"holderIdentity": self._identity, "leaseDurationSeconds": duration, "renewTime": _micro_now()}

    def _new(self) -> dict[str, Any]:
        spec = self._spec()
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**spec, "acquireTime": spec["renewTime"], "leaseTransitions": 0},
        }

    def _hold(self, began: float) -> None:
        self._renewed_at = began
        self.holder = self._identity
        if not self.leading:
            self.leading = True
            _log.info("leading", lease=self._name, identity=self._identity)
            self._on_lead()

    def _lose(self, why: str) -> None:
        self.leading = False
        _log.info("no longer leading", lease=self._name, reason=why)
        self._on_lose()

    async def _give_back(self) -> None:
        try:
            async with asyncio.timeout(self._times.retry):
                lease = await self._client.get_as(LEASES.path(self._namespace, self._name), Lease)
                if lease.spec.holder_identity == self._identity:
                    await self._write(
                        lease.metadata.resource_version,
                        {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_now()},
                    )
        except (KubeError, TimeoutError) as error:
            _log.info("lease not given back; it ends by itself", lease=self._name, error=str(error))


def _micro_now() -> str:
    """A MicroTime: always six digits behind the point."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
