"""Plays a call on what was compiled, by Envoy's rules of matching: where does it land?

Listener by address and port, filter chain by destination port, network, SNI, transport and application protocol in
that order, virtual host by the longest name, route by path. Headers are not looked at.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_pilot.testing.meshes import Compiled

Chain = Mapping[str, Any]
TLS_INSPECTOR, HTTP_INSPECTOR = "envoy.filters.listener.tls_inspector", "envoy.filters.listener.http_inspector"
_PLAIN_ALPN = {"http": "http/1.1", "http2": "h2c"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `inbound`: it comes redirected to the way in; else what has no listener comes by the way out."""

    address: str
    port: int
    protocol: str = "http"
    tls: str = "plaintext"
    sni: str = ""
    alpn: str = ""
    host: str = ""
    path: str = "/"
    inbound: bool = False


class Lost(Exception):
    """The call fails on its way; the text is one word."""


class Player:
    """Plays calls on one proxy's resources. `redirects`: what it has no listener for comes by `virtualOutbound`."""

    def __init__(self, compiled: Compiled, *, redirects: bool) -> None:
        tree = compiled.tree()
        self._listeners = tree["listeners"]
        self._routes = tree["routes"]
        self._redirects = redirects

    def play(self, call: Call) -> dict[str, str]:
        """Names of what the call passes through, as far as it comes, and `error` where it does not arrive."""
        passed: dict[str, str] = {}
        try:
            self._play(call, passed)
        except Lost as lost:
            passed["error"] = str(lost)
        return {name: value for name, value in passed.items() if value}

    def _play(self, call: Call, passed: dict[str, str]) -> None:
        listener = self._listener(call)
        passed["listener"] = listener["name"]
        chain = filter_chain(listener, call)
        passed["filterChain"] = chain.get("name", "")
        _handshake(chain, call)
        last = chain["filters"][-1]["typed_config"]
        if "stat_prefix" in last and ("cluster" in last or "weighted_clusters" in last):
            passed["cluster"] = last.get("cluster", "")
            return
        if call.protocol == "tcp" or (call.tls != "plaintext" and "transport_socket" not in chain):
            raise Lost("ProtocolError")
        self._request(last, call, passed)

    def _listener(self, call: Call) -> Any:
        if call.inbound:
            return self._listeners["virtualInbound"]
        for name in (f"{call.address}_{call.port}", f"0.0.0.0_{call.port}"):
            if name in self._listeners:
                return self._listeners[name]
        by_port = {"virtualOutbound": 15001, "virtualInbound": 15006}
        for name, port in by_port.items():
            if port == call.port and name in self._listeners:
                return self._listeners[name]
        if not self._redirects:
            raise Lost("NoListener")
        return self._listeners["virtualOutbound"]

    def _request(self, manager: Any, call: Call, passed: dict[str, str]) -> None:
        inline = "route_config" in manager
        table = manager["route_config"] if inline else self._routes[manager["rds"]["route_config_name"]]
        if not inline:
            passed["routeConfig"] = table["name"]
        host = _virtual_host(table, call.host or call.address)
        passed["virtualHost"] = host["name"]
        if host.get("require_tls") == "ALL" and call.tls == "plaintext":
            raise Lost("TLSRedirect")
        route = next((each for each in host.get("routes", []) if _fits(each["match"], call.path)), None)
        if route is None:
            raise Lost("NoRoute")
        passed["route"] = route.get("name", "")
        passed["cluster"] = route.get("route", {}).get("cluster", "")


def filter_chain(listener: Any, call: Call) -> Any:
    """The chain that Envoy takes: at each step the most specific of those left, without a way back."""
    filters = listener.get("listener_filters", [])
    inspectors = [each["name"] for each in filters if not _is_off(each.get("filter_disabled", {}), call.port)]
    sees_tls = TLS_INSPECTOR in inspectors and call.tls != "plaintext"
    transport = "tls" if sees_tls else "raw_buffer"
    plain = _PLAIN_ALPN.get(call.protocol, "") if HTTP_INSPECTOR in inspectors and call.tls == "plaintext" else ""
    alpn = [call.alpn] if sees_tls and call.alpn else [plain] if plain else []
    steps: Sequence[Callable[[Sequence[Chain]], list[Chain]]] = (
        lambda held: _exactly(held, "destination_port", call.port),
        lambda held: _nearest(held, call.address),
        lambda held: _named(held, call.sni if sees_tls else ""),
        lambda held: _exactly(held, "transport_protocol", transport),
        lambda held: _spoken(held, alpn),
    )
    held: list[Chain] = list(listener.get("filter_chains", []))
    for step in steps:
        held = step(held)
    if len(held) > 1:
        raise Lost("MultipleFilterChain")
    if held:
        return held[0]
    if "default_filter_chain" in listener:
        return listener["default_filter_chain"]
    raise Lost("NoFilterChain")


def _is_off(rule: Any, port: int) -> bool:
    if "or_match" in rule:
        return any(_is_off(each, port) for each in rule["or_match"]["rules"])
    ports = rule.get("destination_port_range")
    return ports is not None and ports["start"] <= port < ports["end"]


def _match(chain: Chain) -> Mapping[str, Any]:
    found: Mapping[str, Any] = chain.get("filter_chain_match", {})
    return found


def _exactly(chains: Iterable[Chain], field: str, value: object) -> list[Chain]:
    held = list(chains)
    stated = [each for each in held if _match(each).get(field) == value]
    return stated or [each for each in held if field not in _match(each)]


def _nearest(chains: Iterable[Chain], address: str) -> list[Chain]:
    """Of the narrowest network that the address is in."""
    held = list(chains)
    best: dict[int, list[Chain]] = {}
    for chain in held:
        for each in _match(chain).get("prefix_ranges", []):
            network = ipaddress.ip_network(f"{each['address_prefix']}/{each['prefix_len']}", strict=False)
            if ipaddress.ip_address(address) in network:
                best.setdefault(network.prefixlen, []).append(chain)
    return best[max(best)] if best else [each for each in held if "prefix_ranges" not in _match(each)]


def _named(chains: Iterable[Chain], sni: str) -> list[Chain]:
    """Of the exact name, else of the longest wildcard."""
    held = list(chains)
    labels = sni.split(".")
    for name in [sni, *(f"*.{'.'.join(labels[number:])}" for number in range(1, len(labels)))]:
        found = [each for each in held if sni and name in _match(each).get("server_names", [])]
        if found:
            return found
    return [each for each in held if "server_names" not in _match(each)]


def _spoken(chains: Iterable[Chain], alpn: Sequence[str]) -> list[Chain]:
    held = list(chains)
    for protocol in alpn:
        found = [each for each in held if protocol in _match(each).get("application_protocols", [])]
        if found:
            return found
    return [each for each in held if "application_protocols" not in _match(each)]


def _handshake(chain: Chain, call: Call) -> None:
    """Whether the two sides of TLS agree, where the proxy ends it."""
    if "transport_socket" not in chain:
        return
    if call.tls == "plaintext":
        raise Lost("TLSError")
    wants = chain["transport_socket"]["typed_config"].get("require_client_certificate", False)
    if wants is not (call.tls == "mtls"):
        raise Lost("MTLSError")


def _virtual_host(table: Any, host: str) -> Any:
    name = host.partition(":")[0].lower()
    domains = {domain.lower(): each for each in table.get("virtual_hosts", []) for domain in each["domains"]}
    if name in domains:
        return domains[name]
    suffixes = [each for each in domains if each.startswith("*") and len(each) > 1 and name.endswith(each[1:])]
    prefixes = [each for each in domains if each.endswith("*") and len(each) > 1 and name.startswith(each[:-1])]
    for found in (suffixes, prefixes):
        if found:
            return domains[max(found, key=len)]
    if "*" in domains:
        return domains["*"]
    raise Lost("NoVirtualHost")


def _fits(match: Any, path: str) -> bool:
    if "prefix" in match:
        return path.startswith(match["prefix"])
    return match.get("path") == path if "path" in match else True
