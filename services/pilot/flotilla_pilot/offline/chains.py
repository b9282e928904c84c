"""Which filter chain of a listener takes a connection, by Envoy's rules.

Destination port, network, SNI, transport and application protocol, in that order; rules about the source are not used.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flotilla_pilot.offline.calls import Call, Lost

Chain = Mapping[str, Any]
TLS_INSPECTOR, HTTP_INSPECTOR = "envoy.filters.listener.tls_inspector", "envoy.filters.listener.http_inspector"
_PLAIN_ALPN = {"http": "http/1.1", "http2": "h2c"}


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
    if "not_match" in rule:
        return not _is_off(rule["not_match"], port)
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


def shake_hands(chain: Chain, call: Call) -> None:
    """Whether the two sides of TLS agree, where the proxy ends it."""
    if "transport_socket" not in chain:
        return
    if call.tls == "plaintext":
        raise Lost("TLSError")
    wants = chain["transport_socket"]["typed_config"].get("require_client_certificate", False)
    if wants is not (call.tls == "mtls"):
        raise Lost("MTLSError")
