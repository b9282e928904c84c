"""`flotilla-agent interception`: the flags of istio-iptables, and the variables that mean the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from flotilla_agent.interception.apply import apply, has_ipv6, routes, rulesets
from flotilla_agent.interception.config import (
    InterceptionConfig,
    InterceptionRefused,
    read_addresses,
    read_interfaces,
    read_owners,
    read_port,
    read_ports,
    read_ports_or_all,
    read_ranges,
)
from flotilla_agent.interception.tables import restore_text

REFUSED = 1
# flag, short flag, variable, default, meaning
FLAGS: tuple[tuple[str, str, str, str, str], ...] = (
    ("envoy-port", "p", "PROXY_PORT", "15001", "port to which outbound connections go"),
    ("inbound-capture-port", "z", "INBOUND_CAPTURE_PORT", "15006", "port to which inbound connections go"),
    ("inbound-tunnel-port", "e", "INBOUND_TUNNEL_PORT", "15008", "port that is never captured"),
    ("proxy-uid", "u", "PROXY_UID", "1337", "users whose outbound connections are not captured"),
    ("proxy-gid", "g", "PROXY_GID", "1337", "groups whose outbound connections are not captured"),
    ("istio-inbound-interception-mode", "m", "ISTIO_INBOUND_INTERCEPTION_MODE", "REDIRECT", "REDIRECT, TPROXY or NONE"),
    ("istio-inbound-tproxy-mark", "t", "ISTIO_INBOUND_TPROXY_MARK", "1337", "mark of connections in mode TPROXY"),
    ("istio-inbound-tproxy-route-table", "r", "ISTIO_INBOUND_TPROXY_ROUTE_TABLE", "133", "routing table of that mark"),
    ("istio-inbound-ports", "b", "ISTIO_INBOUND_PORTS", "", "inbound ports to capture, or *"),
    ("istio-local-exclude-ports", "d", "ISTIO_LOCAL_EXCLUDE_PORTS", "", "inbound ports that * leaves out"),
    ("istio-service-cidr", "i", "ISTIO_SERVICE_CIDR", "", "networks whose connections are captured, or *"),
    ("istio-service-exclude-cidr", "x", "ISTIO_SERVICE_EXCLUDE_CIDR", "", "networks that are left out"),
    ("istio-outbound-ports", "q", "ISTIO_OUTBOUND_PORTS", "", "outbound ports to capture, whatever the network"),
    (
        "istio-local-outbound-ports-exclude",
        "o",
        "ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE",
        "",
        "outbound ports to leave out",
    ),
    ("kube-virt-interfaces", "k", "KUBE_VIRT_INTERFACES", "", "interfaces with virtual machines behind them"),
    ("istio-exclude-interfaces", "c", "ISTIO_EXCLUDE_INTERFACES", "", "interfaces of which nothing is captured"),
    ("outbound-owner-groups", "", "ISTIO_OUTBOUND_OWNER_GROUPS", "*", "groups whose connections are captured, or *"),
    ("outbound-owner-groups-exclude", "", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "", "groups that are left out"),
    ("dns-servers", "", "ISTIO_DNS_SERVERS", "", "servers whose DNS goes to 15053, with --redirect-dns"),
)
SWITCHES = (
    ("redirect-dns", "ISTIO_META_DNS_CAPTURE", "bring DNS to port 15053; needs a DNS proxy there"),
    ("capture-all-dns", "CAPTURE_ALL_DNS", "with --redirect-dns: to every server"),
    ("drop-invalid", "INVALID_DROP", "drop packets that belong to no connection"),
)


def interception_command(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Parse and do it; gives the exit code: 0, 1 with a sentence on stderr, 2 for a wrong command line."""
    given = _parser(environment).parse_args(arguments)
    try:
        config = read_config(given)
        ipv6 = has_ipv6()
        if given.dry_run:
            _print(config, ipv6=ipv6)
        else:
            apply(config, ipv6=ipv6)
    except InterceptionRefused as error:
        print(f"interception: {error}", file=sys.stderr)
        return REFUSED
    if not given.dry_run:
        print(_done(config, ipv6=ipv6))
    return 0


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flotilla-agent interception",
        description="bring the pod's connections to its Envoy; a variable beats the default, a flag beats the variable",
    )
    for flag, short, variable, default, meaning in FLAGS:
        names = [f"--{flag}", *([f"-{short}"] if short else [])]
        text = f"{meaning} (${variable}; default {default!r})".replace("%", "%%")
        parser.add_argument(*names, default=environment.get(variable, default), help=text)
    for flag, variable, meaning in SWITCHES:
        on = environment.get(variable, "").lower() in ("true", "1")
        parser.add_argument(f"--{flag}", action="store_true", default=on, help=f"{meaning} (${variable})")
    parser.add_argument("--dry-run", "-n", action="store_true", help="print what would be done")
    return parser


def read_config(given: argparse.Namespace) -> InterceptionConfig:
    """Raises InterceptionRefused, naming the flag."""
    return InterceptionConfig(
        mode=given.istio_inbound_interception_mode or "REDIRECT",
        outbound_port=read_port("--envoy-port", given.envoy_port),
        inbound_port=read_port("--inbound-capture-port", given.inbound_capture_port),
        tunnel_port=read_port("--inbound-tunnel-port", given.inbound_tunnel_port),
        proxy_uids=read_owners("--proxy-uid", given.proxy_uid),
        proxy_gids=read_owners("--proxy-gid", given.proxy_gid),
        inbound_include=read_ports_or_all("--istio-inbound-ports", given.istio_inbound_ports),
        inbound_exclude=read_ports("--istio-local-exclude-ports", given.istio_local_exclude_ports),
        outbound_ports_include=read_ports("--istio-outbound-ports", given.istio_outbound_ports),
        outbound_ports_exclude=read_ports(
            "--istio-local-outbound-ports-exclude", given.istio_local_outbound_ports_exclude
        ),
        outbound_ranges_include=read_ranges("--istio-service-cidr", given.istio_service_cidr),
        outbound_ranges_exclude=read_ranges("--istio-service-exclude-cidr", given.istio_service_exclude_cidr),
        owner_groups_include=_groups("--outbound-owner-groups", given.outbound_owner_groups),
        owner_groups_exclude=read_owners("--outbound-owner-groups-exclude", given.outbound_owner_groups_exclude),
        virtual_interfaces=read_interfaces("--kube-virt-interfaces", given.kube_virt_interfaces),
        exclude_interfaces=read_interfaces("--istio-exclude-interfaces", given.istio_exclude_interfaces),
        tproxy_mark=_number("--istio-inbound-tproxy-mark", given.istio_inbound_tproxy_mark),
        tproxy_table=_number("--istio-inbound-tproxy-route-table", given.istio_inbound_tproxy_route_table),
        redirect_dns=given.redirect_dns,
        capture_all_dns=given.capture_all_dns,
        dns_servers=read_addresses("--dns-servers", given.dns_servers),
        drop_invalid=given.drop_invalid,
    )


def _groups(flag: str, text: str) -> tuple[str, ...]:
    return ("*",) if text.strip() == "*" else read_owners(flag, text)


def _number(flag: str, text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 2**31:
        raise InterceptionRefused(f"{flag}: {text!r} must be a number above 0")
    return int(text)


def _print(config: InterceptionConfig, *, ipv6: bool) -> None:
    for ruleset in rulesets(config, ipv6=ipv6):
        print(f"# IPv{ruleset.version}")
        print(restore_text(ruleset), end="")
        for command in routes(config, ruleset.version):
            print(" ".join(command))


def _done(config: InterceptionConfig, *, ipv6: bool) -> str:
    families = "IPv4 and IPv6" if ipv6 else "IPv4"
    if config.mode == "NONE":
        return "interception: mode NONE, nothing is captured"
    return (
        f"interception: {config.mode} is in place for {families}: outbound to {config.outbound_port}, inbound to "
        f"{config.inbound_port}, except for users {', '.join(config.proxy_uids)}"
    )
