"""What one stream is sent, in which order. Pure: requests and compiled configuration in, bytes out.

The order is that of make-before-break, with what the real Envoy does in mind (pilot.md 3.1):

1. clusters, those that are to go still among them;
2. endpoints: what changed, and those of every cluster that was just sent. Envoy warms a changed cluster until its
   endpoints come, does not ask for them again in delta, and acknowledges the clusters only then. So they are
   pushed at once, never after the acknowledgement;
3. listeners and routes, as soon as the proxy has asked for the endpoints of the clusters that are new to it:
   a route to a cluster that is still warming answers 503;
4. clusters that are gone, and their endpoints, as soon as listeners and routes are answered: the old ones may still use them.

The two waits end after a while in any case (`expire`), and never hold up what comes before them.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from flotilla_pilot.compile.resource import (
    BOOTSTRAP,
    CLUSTER,
    ENDPOINTS,
    LISTENER,
    ROUTES,
    SERVED,
    CompiledProxy,
    CompiledResource,
)
from flotilla_pilot.delivery.request import Dialect, Request
from flotilla_pilot.delivery.subscription import Subscription
from flotilla_pilot.delivery.watch import NOTHING, Resources, Sent, Watch


class Observer(Protocol):
    """Hears of what passes on a stream; must be quick."""

    def sent(self, sent: Sent) -> None: ...

    def acknowledged(self, sent: Sent) -> None: ...

    def rejected(self, sent: Sent, text: str) -> None: ...

    def expired(self, type_url: str) -> None:
        """An answer to a response that is not the last one."""


@dataclass(slots=True)
class Session:
    """One stream. Every method gives the messages to write, in order; call them from one place at a time."""

    dialect: Dialect
    observer: Observer
    watches: dict[str, Watch] = field(default_factory=dict)
    compiled: CompiledProxy | None = None
    version: str = ""
    waiting: bool = False
    _nonces: "count[int]" = field(default_factory=lambda: count(1))
    _settled: bool = False
    _awaited: set[str] = field(default_factory=set)
    _patient: bool = True
    _came_back: bool = False

    def push(self, version: str, compiled: CompiledProxy) -> list[bytes]:
        """Bring the proxy to `compiled`; nothing is given where nothing changed for it."""
        self.compiled, self.version = compiled, version
        self._settled, self._patient = False, True
        return self._advance()

    def request(self, request: Request) -> list[bytes]:
        """Take a request of the proxy. Raises RequestRefused. A type that Pilot does not serve is ignored."""
        if request.type_url not in SERVED:
            return []
        watch = self.watches.get(request.type_url)
        if watch is None or (self.dialect == "sotw" and not request.nonce):
            self._open(request)
        else:
            self._take(watch, request)
        return self._advance()

    def expire(self) -> list[bytes]:
        """What `waiting` waited for has not come in time: go on without it."""
        self._awaited.clear()
        self._patient = False
        return self._advance()

    def probe(self) -> list[bytes]:
        """A message that changes nothing and that a living proxy answers at once; none if it owes answers."""
        for type_url in (ROUTES, ENDPOINTS, LISTENER, CLUSTER):
            watch = self.watches.get(type_url)
            if watch is not None and self.compiled is not None and not watch.due and not watch.outstanding:
                watch.due = True
                return self._send(type_url)
        return []

    def _open(self, request: Request) -> None:
        watch = Watch(request.type_url, self.dialect, Subscription.of(self.dialect, request))
        self.watches[request.type_url] = watch
        watch.held = watch.accepted = {
            name: _claimed(request.type_url, name, version) for name, version in request.initial.items()
        }
        self._came_back = self._came_back or bool(request.initial)
        if request.type_url == ENDPOINTS:
            # A cluster may have been left warming when the last stream broke; its versions do not show it.
            watch.wanted = set(watch.subscription.names)
        self._settled = False

    def _take(self, watch: Watch, request: Request) -> None:
        current = request.nonce == watch.nonce
        if request.nonce:
            self._settle(watch, request)
        if self.dialect == "sotw" and not current:
            # What it asks for stands in its answer to the last response, which is still to come.
            self.observer.expired(watch.type_url)
            return
        wanted, dropped = watch.subscription.change(self.dialect, request)
        watch.forget(dropped)
        if wanted:
            watch.wanted |= wanted
            self._settled = False

    def _settle(self, watch: Watch, request: Request) -> None:
        sent = watch.settle(request.nonce, request.error)
        if sent is None:
            return
        if request.error is None:
            self.observer.acknowledged(sent)
        else:
            self._awaited -= set(sent.news)
            self.observer.rejected(sent, request.error)
        if watch.alone:
            self._settled = False

    def _advance(self) -> list[bytes]:
        if self.compiled is None or self._settled:
            return []
        out = self._send(BOOTSTRAP)
        stale = self._stale(CLUSTER)
        out += self._clusters(stale)
        out += self._send(ENDPOINTS, keep=self._stale(ENDPOINTS))
        self._prune_awaited(self.compiled.resources[CLUSTER])
        self.waiting = bool(self._awaited)
        if self.waiting:
            return out
        out += self._send(LISTENER)
        out += self._send(ROUTES)
        self.waiting = bool(stale) and self._patient and self._in_use()
        if self.waiting:
            return out
        out += self._send(CLUSTER)
        out += self._send(ENDPOINTS)
        self._settled = not any(watch.alone for watch in self.watches.values())
        return out

    def _stale(self, type_url: str) -> Resources:
        watch = self.watches.get(type_url)
        return watch.stale(self.compiled.resources[type_url]) if watch is not None and self.compiled else NOTHING

    def _clusters(self, stale: Resources) -> list[bytes]:
        """Step 1, and what steps 2 and 3 are to do for it."""
        watch = self.watches.get(CLUSTER)
        if watch is None or self.compiled is None:
            return []
        before = watch.held
        out = self._send(CLUSTER, keep=stale)
        if not out:
            return []
        touched = watch.outstanding[watch.nonce].news
        with_endpoints = {name for name in touched if name in self.compiled.resources[ENDPOINTS]}
        endpoints = self.watches.get(ENDPOINTS)
        if endpoints is not None:
            endpoints.wanted |= {name for name in with_endpoints if endpoints.subscription.covers(name)}
        if watch.subscription.wildcard:
            self._awaited |= {name for name in with_endpoints if name not in before}
        return out

    def _prune_awaited(self, clusters: Resources) -> None:
        """Only clusters that still are, and whose endpoints nobody has asked for, are waited for."""
        endpoints = self.watches.get(ENDPOINTS)
        self._awaited = {
            name
            for name in self._awaited
            if name in clusters and (endpoints is None or not endpoints.subscription.covers(name))
        }

    def _in_use(self) -> bool:
        """Whether listeners or routes of before may still be in use. A proxy that starts has none yet; one that
        comes back, as what it says it holds shows, is about to ask.
        """
        listeners, routes = self.watches.get(LISTENER), self.watches.get(ROUTES)
        if listeners is None:
            return self._came_back
        return bool(listeners.outstanding) or (routes is not None and bool(routes.outstanding))

    def _send(self, type_url: str, keep: Resources = NOTHING) -> list[bytes]:
        watch = self.watches.get(type_url)
        if watch is None or self.compiled is None:
            return []
        nonce = f"{self.version}.{next(self._nonces)}"
        sent = watch.respond(self.compiled.resources[type_url], self.version, nonce, keep)
        if sent is None:
            return []
        self.observer.sent(sent)
        return [sent.message]


def _claimed(type_url: str, name: str, version: str) -> CompiledResource:
    """Stands for what a proxy says that it holds since an earlier stream; its bytes are not known here."""
    return CompiledResource(type_url, name, b"", version, frozenset(), b"")
