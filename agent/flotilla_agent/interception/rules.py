"""Which rules, in which order: pure. They are the rules of istio-iptables, chain for chain.

The order is what makes them right. In ISTIO_OUTPUT: ports that are excluded; what the proxy forwards to the application
(from 127.0.0.6); the proxy calling its own application by a service's address, which goes in again as inbound;
everybody else over loopback; the proxy's own calls, which must not come back to it; only then what is captured.
"""

from __future__ import annotations

from flotilla_agent.interception.config import ALL, InterceptionConfig, Ranges
from flotilla_agent.interception.dns import add_dns
from flotilla_agent.interception.tables import OUTPUT, PREROUTING, V4, Ruleset

INBOUND, REDIRECT, IN_REDIRECT, OUT = "ISTIO_INBOUND", "ISTIO_REDIRECT", "ISTIO_IN_REDIRECT", "ISTIO_OUTPUT"
DIVERT, TPROXY, DROP = "ISTIO_DIVERT", "ISTIO_TPROXY", "ISTIO_DROP"
# The proxy connects to its application from here, so that it can be told from everybody else.
PASSTHROUGH = {4: "127.0.0.6/32", 6: "::6/128"}
LOOPBACK_V6 = "::1/128"


def make_rules(config: InterceptionConfig, version: int) -> Ruleset:
    """All rules of one family, 4 or 6; none in mode NONE."""
    rules = Ruleset(version)
    if config.mode == "NONE":
        return rules
    _leave_out_interfaces(rules, config)
    if config.drop_invalid:
        rules.append("mangle", PREROUTING, f"-m conntrack --ctstate INVALID -j {DROP}")
        rules.append("mangle", DROP, "-j DROP")
    rules.append("nat", INBOUND, f"-p tcp --dport {config.tunnel_port} -j RETURN")
    rules.append("nat", REDIRECT, f"-p tcp -j REDIRECT --to-ports {config.outbound_port}")
    rules.append("nat", IN_REDIRECT, f"-p tcp -j REDIRECT --to-ports {config.inbound_port}")
    _capture_inbound(rules, config)
    _capture_outbound(rules, config)
    if config.mode == "TPROXY":
        _keep_source(rules, config)
    return rules


def _loopback(rules: Ruleset, config: InterceptionConfig) -> str:
    return config.loopback_v4 if rules.version == V4 else LOOPBACK_V6


def _leave_out_interfaces(rules: Ruleset, config: InterceptionConfig) -> None:
    for name in config.exclude_interfaces:
        rules.append("nat", PREROUTING, f"-i {name} -j RETURN")
    for name in config.exclude_interfaces:
        rules.append("nat", OUTPUT, f"-o {name} -j RETURN")
    for name in config.virtual_interfaces:
        rules.insert("nat", PREROUTING, 1, f"-i {name} -j RETURN")


def _capture_inbound(rules: Ruleset, config: InterceptionConfig) -> None:
    if not config.inbound_include:
        return
    transparent = config.mode == "TPROXY"
    if transparent:
        _make_divert(rules, config)
    table = "mangle" if transparent else "nat"
    rules.append(table, PREROUTING, f"-p tcp -j {INBOUND}")
    if config.inbound_include.all:
        for port in config.inbound_exclude:
            rules.append(table, INBOUND, f"-p tcp --dport {port} -j RETURN")
        matches = ["-p tcp"]
    else:
        matches = [f"-p tcp --dport {port}" for port in config.inbound_include.ports]
    for match in matches:
        if transparent:
            # A connection that is there goes on to its socket; a new one goes to Envoy.
            rules.append(table, INBOUND, f"{match} -m conntrack --ctstate RELATED,ESTABLISHED -j {DIVERT}")
        rules.append(table, INBOUND, f"{match} -j {TPROXY if transparent else IN_REDIRECT}")


def _make_divert(rules: Ruleset, config: InterceptionConfig) -> None:
    """What is marked is routed to this machine whatever its destination is (`ip rule fwmark`)."""
    rules.append("mangle", DIVERT, f"-j MARK --set-mark {config.tproxy_mark}")
    rules.append("mangle", DIVERT, "-j ACCEPT")
    to_envoy = f"--tproxy-mark {config.tproxy_mark}/0xffffffff --on-port {config.inbound_port}"
    rules.append("mangle", TPROXY, f"! -d {_loopback(rules, config)} -p tcp -j TPROXY {to_envoy}")


def _capture_outbound(rules: Ruleset, config: InterceptionConfig) -> None:
    rules.append("nat", OUTPUT, f"-j {OUT}")
    for port in config.outbound_ports_exclude:
        rules.append("nat", OUT, f"-p tcp --dport {port} -j RETURN")
    rules.append("nat", OUT, f"-o lo -s {PASSTHROUGH[rules.version]} -j RETURN")
    for uid in config.proxy_uids:
        _tell_the_proxy_apart(rules, config, f"--uid-owner {uid}", dns_too=config.dns)
    for gid in config.proxy_gids:
        _tell_the_proxy_apart(rules, config, f"--gid-owner {gid}", dns_too=False)
    _leave_out_groups(rules, config)
    if config.dns:
        add_dns(rules, config)
    rules.append("nat", OUT, f"-d {_loopback(rules, config)} -j RETURN")
    for network in config.outbound_ranges_exclude.of(rules.version):
        rules.append("nat", OUT, f"-d {network} -j RETURN")
    for port in config.outbound_ports_include:
        rules.append("nat", OUT, f"-p tcp --dport {port} -j {REDIRECT}")
    _capture_ranges(rules, config, config.outbound_ranges_include)


def _tell_the_proxy_apart(rules: Ruleset, config: InterceptionConfig, owner: str, *, dns_too: bool) -> None:
    but = f"-m multiport ! --dports 53,{config.tunnel_port}" if dns_too else f"! --dport {config.tunnel_port}"
    to_itself = f"-o lo ! -d {_loopback(rules, config)} -p tcp {but} -m owner {owner}"
    rules.append("nat", OUT, f"{to_itself} -j {IN_REDIRECT}")
    if not config.outbound_ranges_include.holds_loopback:
        no_dns = "-p tcp ! --dport 53 " if config.dns else ""
        rules.append("nat", OUT, f"-o lo {no_dns}-m owner ! {owner} -j RETURN")
    rules.append("nat", OUT, f"-m owner {owner} -j RETURN")


def _leave_out_groups(rules: Ruleset, config: InterceptionConfig) -> None:
    if ALL not in config.owner_groups_include:
        others = " ".join(f"-m owner ! --gid-owner {group}" for group in config.owner_groups_include)
        rules.append("nat", OUT, f"{others} -j RETURN".strip())
        return
    for group in config.owner_groups_exclude:
        rules.append("nat", OUT, f"-m owner --gid-owner {group} -j RETURN")


def _capture_ranges(rules: Ruleset, config: InterceptionConfig, ranges: Ranges) -> None:
    """Virtual machines behind an interface of the pod are not behind OUTPUT: PREROUTING sees them."""
    if ranges.all:
        rules.append("nat", OUT, f"-j {REDIRECT}")
        for name in config.virtual_interfaces:
            rules.insert("nat", PREROUTING, 1, f"-i {name} -j {REDIRECT}")
        return
    for network in ranges.of(rules.version):
        for name in config.virtual_interfaces:
            rules.insert("nat", PREROUTING, 1, f"-i {name} -d {network} -j {REDIRECT}")
        rules.append("nat", OUT, f"-d {network} -j {REDIRECT}")


def _keep_source(rules: Ruleset, config: InterceptionConfig) -> None:
    """TPROXY: Envoy calls the application from the caller's address; its marks keep these calls out of the chain."""
    mark, outbound = config.tproxy_mark, config.tproxy_mark + 1
    rules.append("mangle", PREROUTING, f"-p tcp -m mark --mark {mark} -j CONNMARK --save-mark")
    rules.append("mangle", OUTPUT, f"-p tcp -o lo -m mark --mark {mark} -j RETURN")
    owners = [f"--uid-owner {uid}" for uid in config.proxy_uids] + [f"--gid-owner {gid}" for gid in config.proxy_gids]
    for owner in owners:
        own = f"! -d {_loopback(rules, config)} -p tcp -o lo -m owner {owner}"
        rules.append("mangle", OUTPUT, f"{own} -j MARK --set-mark {outbound}")
    rules.append("mangle", OUTPUT, f"-p tcp -m connmark --mark {mark} -j CONNMARK --restore-mark")
    rules.insert("mangle", INBOUND, 1, f"-p tcp -m mark --mark {mark} -j RETURN")
    rules.insert("mangle", INBOUND, 2, f"-p tcp -s {PASSTHROUGH[rules.version]} -i lo -j RETURN")
    rules.insert("mangle", INBOUND, 3, f"-p tcp -i lo -m mark ! --mark {outbound} -j RETURN")
