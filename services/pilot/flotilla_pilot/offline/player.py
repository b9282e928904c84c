"""Plays a call on what was compiled, by Envoy's rules of matching: where does it land?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_pilot.offline.calls import Call, Lost
from flotilla_pilot.offline.chains import filter_chain, shake_hands
from flotilla_pilot.offline.matching import choose_host, choose_route
from flotilla_pilot.offline.render import Tree

_WAYS = {"virtualOutbound": 15001, "virtualInbound": 15006}
Part = Mapping[str, Any]
_NOTHING: Part = {}


@dataclass(slots=True)
class Passage:
    """What a call passes through, as far as it comes; `error` is one word where it does not arrive."""

    listener: Part = field(default_factory=dict)
    chain: Part = field(default_factory=dict)
    table: Part = field(default_factory=dict)
    inline: bool = False
    """The table is part of the listener."""
    host: Part = field(default_factory=dict)
    route: Part = field(default_factory=dict)
    clusters: tuple[tuple[str, int], ...] = ()
    """Each with its weight."""
    error: str = ""

    def names(self) -> dict[str, str]:
        """The names of what is there, by the words of the test vectors; of several clusters none is named."""
        found = {
            "listener": self.listener.get("name", ""),
            "filterChain": self.chain.get("name", ""),
            "routeConfig": "" if self.inline else self.table.get("name", ""),
            "virtualHost": self.host.get("name", ""),
            "route": self.route.get("name", ""),
            "cluster": self.clusters[0][0] if len(self.clusters) == 1 else "",
            "error": self.error,
        }
        return {name: value for name, value in found.items() if value}


class Player:
    """Plays calls on one proxy's resources. `redirects`: what it has no listener for comes by `virtualOutbound`."""

    def __init__(self, resources: Tree, *, redirects: bool) -> None:
        self._listeners = resources["listeners"]
        self._routes = resources["routes"]
        self._redirects = redirects

    def play(self, call: Call) -> Passage:
        """The call's way; never raises."""
        passage = Passage()
        try:
            self._play(call, passage)
        except Lost as lost:
            passage.error = str(lost)
        return passage

    def _play(self, call: Call, passage: Passage) -> None:
        passage.listener = self._listener(call)
        passage.chain = filter_chain(passage.listener, call)
        shake_hands(passage.chain, call)
        last = passage.chain["filters"][-1]["typed_config"]
        if "http_filters" not in last:
            passage.clusters = _clusters(last)
            return
        if call.protocol == "tcp" or (call.tls != "plaintext" and "transport_socket" not in passage.chain):
            raise Lost("ProtocolError")
        self._request(last, call, passage)

    def _listener(self, call: Call) -> Part:
        if call.inbound and "virtualInbound" in self._listeners:
            found: Part = self._listeners["virtualInbound"]
            return found
        for name in (f"{call.address}_{call.port}", f"0.0.0.0_{call.port}"):
            if name in self._listeners:
                return self._named(name)
        for name, port in _WAYS.items():
            if port == call.port and name in self._listeners:
                return self._named(name)
        if not self._redirects:
            raise Lost("NoListener")
        return self._named("virtualOutbound")

    def _named(self, name: str) -> Part:
        if name not in self._listeners:
            raise Lost("NoListener")
        found: Part = self._listeners[name]
        return found

    def _request(self, manager: Part, call: Call, passage: Passage) -> None:
        passage.inline = "route_config" in manager
        passage.table = manager["route_config"] if passage.inline else self._table(manager)
        passage.host = choose_host(passage.table, call.host or call.address)
        if passage.host.get("require_tls") == "ALL" and call.tls == "plaintext":
            raise Lost("TLSRedirect")
        passage.route = choose_route(passage.host, call)
        passage.clusters = _clusters(passage.route.get("route", _NOTHING))

    def _table(self, manager: Part) -> Part:
        found: Part | None = self._routes.get(manager["rds"]["route_config_name"])
        if found is None:
            raise Lost("NoVirtualHost")
        return found


def _clusters(action: Part) -> tuple[tuple[str, int], ...]:
    if "cluster" in action:
        return ((action["cluster"], 1),)
    weighted = action.get("weighted_clusters", _NOTHING).get("clusters", ())
    return tuple((each["name"], int(each.get("weight", 0))) for each in weighted)
