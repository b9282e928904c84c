"""The application of a proxy's patches to one resource."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flotilla_pilot.compile.patches.patch import Patch
from flotilla_pilot.compile.patches.route_matching import Ports

NO_PORTS: Ports = {}


@dataclass(slots=True)
class Turn:
    """The patches of one side of a proxy, and which of them took effect so far.

    `ports` are a router's. `hosts` are the services behind an inbound cluster, by the cluster's name.
    """

    context: int
    patches: tuple[Patch, ...]
    ports: Ports = field(default_factory=lambda: NO_PORTS)
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    used: dict[Patch, None] = field(default_factory=dict)
    current: Patch | None = None

    def of(self, kind: int) -> Iterator[Patch]:
        """The patches of a kind that apply on this side, in order. The last one given is the one at work."""
        for each in self.patches:
            if each.apply_to == kind and each.applies_in(self.context):
                self.current = each
                yield each

    def took(self, *patches: Patch) -> None:
        self.used.update(dict.fromkeys(patches))

    def took_all(self, patches: Iterable[Patch]) -> None:
        self.took(*patches)
