"""Networks that cannot reach each other's workloads, and the gateways by which each is entered (pilot.md 2.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import lcm

from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.services import NetworkGateway, Service


@dataclass(frozen=True, eq=False)
class Networks:
    """The gateways of each network that has any, sorted; false where no network has."""

    gateways: Mapping[str, tuple[NetworkGateway, ...]]
    references: tuple[Reference, ...]

    def __bool__(self) -> bool:
        return bool(self.gateways)

    def between(self, caller: str, called: str) -> tuple[NetworkGateway, ...]:
        """By which gateways a caller in one network reaches another; none where it gets there by itself.

        A network that is not told is everybody's, and one without gateways is taken to be in reach.
        """
        if not caller or not called or caller == called:
            return ()
        return self.gateways.get(called, ())

    @cached_property
    def scale(self) -> int:
        """What weights are multiplied by, so that a workload's can be shared out among its network's gateways."""
        return lcm(*(len(each) for each in self.gateways.values()))


def networks_of(services: Iterable[Service]) -> Networks:
    """The networks whose gateways are known by services."""
    found: dict[str, set[NetworkGateway]] = {}
    references: dict[Reference, None] = {}
    for service in services:
        for each in service.network_gateways:
            found.setdefault(each.network, set()).add(each)
            references.update(dict.fromkeys(service.references))
    return Networks({name: tuple(sorted(each)) for name, each in sorted(found.items())}, tuple(references))
