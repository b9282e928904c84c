"""NetworkPolicies: each service has the ports of its table, and the whole configuration is for Pilot and Mixer alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from helm.generate.settings import SERVICES
from tests.helm.render import Object, named, of_kind, render

# Ports that anybody may call, and those that only the named services may.
OPEN = {
    "galley": {9443, 15014},
    "pilot": {15012, 15017, 15014},
    "citadel": {8060, 15014},
    "mixer": {15004, 42422, 15014},
}
CLOSED = {"galley": {9901: {"pilot", "mixer"}}}
CALLS = {"galley": {(8060, "citadel")}, "pilot": {(8060, "citadel"), (9901, "galley")}, "citadel": set()}


def policies(helm: Path, name: str) -> dict[str, Object]:
    found = of_kind(render(helm, name), "NetworkPolicy")
    return {each["metadata"]["name"].removeprefix("istio-"): each["spec"] for each in found}


def ports(rule: Object) -> set[int]:
    return {each["port"] for each in rule["ports"]}


@pytest.mark.parametrize("service", SERVICES)
def test_who_may_call(helm4: Path, service: str) -> None:
    ingress = policies(helm4, "default")[service]["ingress"]
    anybody = {port for rule in ingress if "from" not in rule for port in ports(rule)}
    assert anybody == OPEN[service]
    limited = {
        port: {each["podSelector"]["matchLabels"]["istio"] for each in rule["from"]}
        for rule in ingress
        if "from" in rule
        for port in ports(rule)
    }
    assert limited == CLOSED.get(service, {})


@pytest.mark.parametrize("service", SERVICES)
def test_every_port_of_the_container_is_in_its_policy(helm4: Path, service: str) -> None:
    (container,) = named(render(helm4), "Deployment", f"istio-{service}")["spec"]["template"]["spec"]["containers"]
    assert {each["containerPort"] for each in container["ports"]} == OPEN[service] | set(CLOSED.get(service, {}))


def test_egress_is_limited_only_where_asked_and_never_mixers(helm4: Path) -> None:
    assert all(each["policyTypes"] == ["Ingress"] for each in policies(helm4, "default").values())
    found = policies(helm4, "production")
    assert found["mixer"]["policyTypes"] == ["Ingress"]
    for service, calls in CALLS.items():
        egress = found[service]["egress"]
        assert {53, 443, 6443} <= {port for rule in egress if "to" not in rule for port in ports(rule)}
        named_calls = {
            (port, each["podSelector"]["matchLabels"]["istio"])
            for rule in egress
            if "to" in rule
            for port in ports(rule)
            for each in rule["to"]
        }
        assert named_calls == calls


def test_none_when_not_wanted(helm4: Path) -> None:
    assert policies(helm4, "minimal") == {}
