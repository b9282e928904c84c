"""The part of the rules that brings DNS to a DNS proxy on 15053, beside the proxy, and keeps the two connections apart.

Connection tracking takes a datagram of the application and one of the proxy for the same connection when both go to one
server. Zone 1 is the proxy with the servers, zone 2 the application with the proxy.
"""

from __future__ import annotations

from flotilla_agent.interception.config import InterceptionConfig
from flotilla_agent.interception.tables import OUTPUT, PREROUTING, V4, Ruleset

DNS_PORT = 15053
CHAIN = "ISTIO_OUTPUT_DNS"


def add_dns(rules: Ruleset, config: InterceptionConfig) -> None:
    """Where `config.dns` holds; between the rules of the proxy's own calls and those of loopback."""
    rules.append("nat", "ISTIO_OUTPUT", f"-j {CHAIN}")
    servers = _servers(rules, config)
    for protocol, flag in (("tcp", "--to-ports"), ("udp", "--to-port")):
        for server in servers:
            rules.append("nat", CHAIN, f"-p {protocol} --dport 53 {_to(server)}-j REDIRECT {flag} {DNS_PORT}")
    _add_zones(rules, config, servers)


def _servers(rules: Ruleset, config: InterceptionConfig) -> list[str]:
    """Networks of one address; an empty one stands for all."""
    if config.capture_all_dns:
        return [""]
    return [f"{server}/{32 if rules.version == V4 else 128}" for server in config.dns_of(rules.version)]


def _to(server: str) -> str:
    return f"-d {server} " if server else ""


def _add_zones(rules: Ruleset, config: InterceptionConfig, servers: list[str]) -> None:
    rules.append("raw", OUTPUT, f"-j {CHAIN}")
    owners = [f"--uid-owner {uid}" for uid in config.proxy_uids] + [f"--gid-owner {gid}" for gid in config.proxy_gids]
    for owner in owners:
        rules.append("raw", CHAIN, f"-p udp --dport 53 -m owner {owner} -j CT --zone 1")
        rules.append("raw", CHAIN, f"-p udp --sport {DNS_PORT} -m owner {owner} -j CT --zone 2")
    rules.append("raw", PREROUTING, "-j ISTIO_INBOUND")
    for server in servers:
        rules.append("raw", CHAIN, f"-p udp --dport 53 {_to(server)}-j CT --zone 2")
        rules.append("raw", "ISTIO_INBOUND", f"-p udp --sport 53 {_to(server).replace('-d', '-s')}-j CT --zone 1")
