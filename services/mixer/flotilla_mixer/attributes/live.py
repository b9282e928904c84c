"""What the cluster has now: Pods by address and Services by host, changed in place as the API server tells.

A change costs what it touches, whatever the size of the cluster. Everything here belongs to the loop: lookups and
changes happen there, each whole.
"""

from __future__ import annotations

from collections import OrderedDict

from flotilla_mixer.attributes.services import Service
from flotilla_mixer.attributes.workloads import Workload

Key = tuple[str, str]  # namespace and name
# A log entry comes a little later than what it tells of, and the Pod may be gone by then.
LINGER_SECONDS = 30.0
LINGER_MOST = 10_000
NOBODY: tuple[Workload, ...] = ()


class LiveWorkloads:
    """Pods by each of their addresses. The order of those at one address is that in which they were told."""

    def __init__(self, linger_seconds: float = LINGER_SECONDS, linger_most: int = LINGER_MOST) -> None:
        self._linger_seconds = linger_seconds
        self._linger_most = linger_most
        self._by_key: dict[Key, Workload] = {}
        self._by_address: dict[str, tuple[Workload, ...]] = {}
        self._gone: OrderedDict[str, tuple[Workload, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def put(self, key: Key, workload: Workload, now: float) -> None:
        """The Pod of this name is this workload now. `now` is a monotonic time in seconds."""
        before = self._by_key.get(key)
        if before is not None:
            self._leave(before, workload.addresses, now)
        self._by_key[key] = workload
        for address in workload.addresses:
            self._by_address[address] = (*self._by_address.get(address, NOBODY), workload)

    def remove(self, key: Key, now: float) -> None:
        """The Pod has ended or was deleted. It is remembered for a moment, for what is still told of it."""
        workload = self._by_key.pop(key, None)
        if workload is not None:
            self._leave(workload, (), now)

    def _leave(self, workload: Workload, kept: tuple[str, ...], now: float) -> None:
        """Take it from its addresses; it is remembered at those that are not kept."""
        for address in workload.addresses:
            left = tuple(each for each in self._by_address.get(address, NOBODY) if each is not workload)
            if left:
                self._by_address[address] = left
            else:
                self._by_address.pop(address, None)
            if address not in kept and not workload.facts.shared:
                self._remember(address, workload, now)

    def _remember(self, address: str, workload: Workload, now: float) -> None:
        self._gone.pop(address, None)
        self._gone[address] = (workload, now + self._linger_seconds)
        while self._gone:
            oldest, (_, end) = next(iter(self._gone.items()))
            if end > now and len(self._gone) <= self._linger_most:
                return
            del self._gone[oldest]

    def at(self, address: str) -> tuple[Workload, ...]:
        """All that are at this address now."""
        return self._by_address.get(address, NOBODY)

    def named(self, namespace: str, name: str) -> Workload | None:
        """The Pod of this name, or None."""
        return self._by_key.get((namespace, name))

    def lately_at(self, address: str) -> tuple[Workload, ...]:
        """Who had the address last, and has no longer."""
        found = self._gone.get(address)
        return (found[0],) if found is not None else NOBODY

    def all(self) -> list[Workload]:
        return list(self._by_key.values())


class LiveServices:
    """Kubernetes Services by host: each host is one Service's."""

    def __init__(self) -> None:
        self._by_host: dict[str, Service] = {}

    def __len__(self) -> int:
        return len(self._by_host)

    def put(self, service: Service) -> None:
        self._by_host[service.host] = service

    def remove(self, host: str) -> None:
        self._by_host.pop(host, None)

    def of(self, host: str) -> tuple[Service, ...]:
        """The Service of this host, if there is one."""
        found = self._by_host.get(host)
        return (found,) if found is not None else ()
