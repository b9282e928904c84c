"""Which resources of a type a stream asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flotilla_pilot.compile.resource import BOOTSTRAP, CLUSTER, LISTENER, CompiledResource
from flotilla_pilot.delivery.request import WILDCARD, Dialect, Request, RequestRefused

MAX_SUBSCRIBED = 100_000
WILDCARD_TYPES = (BOOTSTRAP, CLUSTER, LISTENER)


@dataclass(slots=True)
class Subscription:
    """`wildcard` asks for everything that the proxy is to hold, `names` for these in any case."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, dialect: Dialect, request: Request) -> "Subscription":
        """What the first request for a type asks for: clusters and listeners without names mean all."""
        given = request.names if dialect == "sotw" else request.subscribe
        everything = WILDCARD in given or (not given and request.type_url in WILDCARD_TYPES)
        return cls(everything, set(given) - {WILDCARD})

    def change(self, dialect: Dialect, request: Request) -> tuple[set[str], set[str]]:
        """Take a later request; gives the names to be sent for it, and those that are no longer asked for.

        In delta a name that is subscribed again is to be sent again: the proxy has forgotten it.
        """
        wanted, dropped = self._replace(request) if dialect == "sotw" else self._adjust(request)
        if len(self.names) > MAX_SUBSCRIBED:
            raise RequestRefused(f"one stream asks for more than {MAX_SUBSCRIBED} resources of {request.type_url}")
        return wanted, dropped

    def _replace(self, request: Request) -> tuple[set[str], set[str]]:
        names = set(request.names) - {WILDCARD}
        if request.names:
            self.wildcard = WILDCARD in request.names
        wanted, dropped = names - self.names, self.names - names
        self.names = names
        return wanted, dropped

    def _adjust(self, request: Request) -> tuple[set[str], set[str]]:
        wanted, dropped = set(request.subscribe), set(request.unsubscribe)
        if WILDCARD in wanted:
            self.wildcard = True
        if WILDCARD in dropped:
            self.wildcard = False
        self.names = (self.names | wanted) - dropped - {WILDCARD}
        return wanted - {WILDCARD}, dropped - wanted - {WILDCARD}

    def covers(self, name: str) -> bool:
        return self.wildcard or name in self.names

    def select(self, resources: Mapping[str, CompiledResource]) -> Mapping[str, CompiledResource]:
        """The part of `resources` that is asked for; the very mapping where that is all of it."""
        if self.wildcard:
            return resources
        found = {name: resources[name] for name in sorted(self.names) if name in resources}
        return resources if len(found) == len(resources) else found
