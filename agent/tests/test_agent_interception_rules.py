"""The rules against those of istio-iptables, and what the command refuses."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flotilla_agent.interception.command import interception_command
from flotilla_agent.interception.config import (
    InterceptionConfig,
    read_owners,
    read_ports,
    read_ports_or_all,
    read_ranges,
)
from flotilla_agent.interception.rules import make_rules
from flotilla_agent.interception.tables import V4, V6, own_chains, restore_text

ROOT = Path(__file__).parents[2]
LEAST_CASES = 15


@pytest.fixture(scope="module")
def vectors() -> Path:
    folder = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    return folder


def config_of(given: dict[str, Any]) -> InterceptionConfig:
    servers = [*given.get("DNSServersV4", ()), *given.get("DNSServersV6", ())]
    return InterceptionConfig(
        mode=given.get("InboundInterceptionMode") or "REDIRECT",
        outbound_port=int(given["ProxyPort"]),
        inbound_port=int(given["InboundCapturePort"]),
        tunnel_port=int(given["InboundTunnelPort"]),
        proxy_uids=read_owners("u", given["ProxyUID"]),
        proxy_gids=read_owners("g", given["ProxyGID"]),
        inbound_include=read_ports_or_all("b", given.get("InboundPortsInclude", "")),
        inbound_exclude=read_ports("d", given.get("InboundPortsExclude", "")),
        outbound_ports_include=read_ports("q", given.get("OutboundPortsInclude", "")),
        outbound_ports_exclude=read_ports("o", given.get("OutboundPortsExclude", "")),
        outbound_ranges_include=read_ranges("i", given.get("OutboundIPRangesInclude", "")),
        outbound_ranges_exclude=read_ranges("x", given.get("OutboundIPRangesExclude", "")),
        owner_groups_include=tuple(given.get("OwnerGroupsInclude", "*").split(",")),
        owner_groups_exclude=tuple(filter(None, given.get("OwnerGroupsExclude", "").split(","))),
        virtual_interfaces=tuple(filter(None, given.get("RerouteVirtualInterfaces", "").split(","))),
        exclude_interfaces=tuple(filter(None, given.get("ExcludeInterfaces", "").split(","))),
        tproxy_mark=int(given["InboundTProxyMark"]),
        tproxy_table=int(given["InboundTProxyRouteTable"]),
        redirect_dns=given.get("RedirectDNS", False),
        capture_all_dns=given.get("CaptureAllDNS", False),
        dns_servers=tuple(servers),
        drop_invalid=given.get("DropInvalid", False),
        loopback_v4=given["HostIPv4LoopbackCidr"],
    )


def written(config: InterceptionConfig, *, ipv6: bool) -> list[str]:
    """As istio-iptables prints it, without the questions that it asks of the kernel."""
    lines: list[str] = []
    for version in (V4, V6) if ipv6 else (V4,):
        for table, rules in make_rules(config, version).tables().items():
            lines += [f"* {table}", *(f"-N {chain}" for chain in own_chains(rules)), *(each.line() for each in rules)]
            lines.append("COMMIT")
    return lines


def test_the_rules_are_those_of_istio_iptables(vectors: Path) -> None:
    counts: Counter[str] = Counter()
    failures = []
    cases = [json.loads(line) for line in (vectors / "today/iptables/cases.jsonl").read_text().splitlines()]
    for case in cases:
        golden = (vectors / "today/iptables" / case["expected"]).read_text().splitlines()
        wanted = [line for line in golden if line and not line.endswith("-save")]
        found = written(config_of(case["config"]), ipv6=case["config"].get("EnableIPv6", False))
        counts["ran"] += 1
        if found != wanted:
            failures.append((case["id"], sorted(set(wanted) ^ set(found)) or "the order"))
    print(f"today/iptables: {dict(counts)}")
    assert len(cases) >= LEAST_CASES
    assert not failures


# 1.4's init container on the same arguments: what it understood by them. Its rules differ (docs/reference/differences.md).
LATER = {
    "bad range": "1.4 gave the words on to iptables",
    "port text": "1.4 gave the word on to iptables",
}
VARIABLES = {
    "PROXY_PORT": lambda config: str(config.outbound_port),
    "PROXY_INBOUND_CAPTURE_PORT": lambda config: str(config.inbound_port),
    "PROXY_UID": lambda config: ",".join(config.proxy_uids),
    "PROXY_GID": lambda config: ",".join(config.proxy_gids),
    "INBOUND_TPROXY_MARK": lambda config: str(config.tproxy_mark),
    "INBOUND_TPROXY_ROUTE_TABLE": lambda config: str(config.tproxy_table),
    "INBOUND_PORTS_EXCLUDE": lambda config: ",".join(map(str, config.inbound_exclude)),
    "OUTBOUND_IP_RANGES_INCLUDE": lambda config: _ranges(config.outbound_ranges_include),
    "OUTBOUND_IP_RANGES_EXCLUDE": lambda config: _ranges(config.outbound_ranges_exclude),
    "KUBEVIRT_INTERFACES": lambda config: ",".join(config.virtual_interfaces),
    "INBOUND_PORTS_INCLUDE": lambda config: (
        "*" if config.inbound_include.all else ",".join(map(str, config.inbound_include.ports))
    ),
}


def _ranges(ranges: Any) -> str:
    return "*" if ranges.all else ",".join(map(str, ranges.networks))


def test_the_arguments_of_14_mean_the_same(vectors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[InterceptionConfig] = []
    monkeypatch.setattr("flotilla_agent.interception.command._print", lambda config, ipv6: taken.append(config))
    cases = [json.loads(line) for line in (vectors / "1.4/pilot/iptables.jsonl").read_text().splitlines()]
    counts: Counter[str] = Counter()
    for case in cases:
        taken.clear()
        code = interception_command([*case["arguments"], "--dry-run"], case["environment"])
        fails = case["fails"] or case["name"] in LATER
        counts["refused later by 1.4" if case["name"] in LATER else "ran"] += 1
        assert (code != 0) == fails, case["name"]
        for config in taken:
            found = {name: read(config) for name, read in VARIABLES.items()}
            assert found == {name: case["variables"][name] for name in VARIABLES}, case["name"]
    print(f"1.4/pilot/iptables: {dict(counts)}")
    assert counts["ran"] >= LEAST_CASES


REFUSALS = (
    ("-p abc", "--envoy-port: 'abc' is no port: it must be a number between 1 and 65535"),
    ("-b 80,http", "--istio-inbound-ports: 'http' is no port"),
    ("-d 70000", "--istio-local-exclude-ports: '70000' is no port"),
    ("-i 10.0.0.0/33", "--istio-service-cidr: '10.0.0.0/33' is no network: it must be of the form 10.0.0.0/8"),
    ("-x *", "`*` would exclude everything"),
    ("-m SNAT", "--istio-inbound-interception-mode 'SNAT' must be REDIRECT, TPROXY, NONE"),
    ("-k eth0;reboot", "--kube-virt-interfaces: 'eth0;reboot' must be the name of an interface"),
    ("-u 1337\nCOMMIT", "--proxy-uid: '1337\\nCOMMIT' must be a user or group"),
    ("-t 0", "--istio-inbound-tproxy-mark: '0' must be a number above 0"),
    ("-u  -g ", "the proxy's own calls would come back to it"),
    ("--dns-servers localhost", "--dns-servers: 'localhost' is no IP address"),
)


@pytest.mark.parametrize(("line", "sentence"), REFUSALS, ids=[each[0] for each in REFUSALS])
def test_a_refusal_names_the_flag(line: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert interception_command(line.split(" "), {}) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_dry_run_prints_what_iptables_restore_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert interception_command(["-m", "TPROXY", "-b", "*", "--dry-run"], {}) == 0
    printed = capsys.readouterr().out
    assert "*mangle\n:ISTIO_DIVERT - [0:0]\n" in printed
    assert "ip -f inet rule add fwmark 1337 lookup 133" in printed


def test_a_variable_beats_the_default_and_a_flag_the_variable(capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"PROXY_PORT": "16001", "INBOUND_CAPTURE_PORT": "16006", "INVALID_DROP": "true"}
    assert interception_command(["-p", "17001", "-n"], environment) == 0
    printed = capsys.readouterr().out
    assert "--to-ports 17001" in printed
    assert "--to-ports 16006" in printed
    assert "-A ISTIO_DROP -j DROP" in printed


def test_mode_none_captures_nothing() -> None:
    assert restore_text(make_rules(InterceptionConfig(mode="NONE"), V4)) == ""
