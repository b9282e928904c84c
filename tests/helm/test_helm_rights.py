"""The rights of each account are those of docs/reference/rights.md, with their reasons, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.generate.files import kinds_yaml
from tests.helm.render import ROOT, Object, named, of_kind, render, value_sets

TABLE = ROOT / "docs" / "reference" / "rights.md"
KINDS: dict[str, list[str]] = yaml.safe_load(kinds_yaml())

Rights = set[tuple[str, str, str, str, str, str]]


def documented() -> Rights:
    """Every row of the table, without its reason; each must have one."""
    rows = [line.strip("|").split("|") for line in TABLE.read_text().splitlines() if line.startswith("| istio-")]
    assert all(len(row) == 7 and row[6].strip() for row in rows)
    return {tuple(cell.strip() for cell in row[:6]) for row in rows}  # type: ignore[misc]


def granted(objects: list[Object]) -> Rights:
    """Every rule that the chart binds to an account, as a row of the table."""
    found: Rights = set()
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        scope = binding["roleRef"]["kind"]
        (account,) = (each["name"].removesuffix("-service-account") for each in binding["subjects"])
        for rule in named(objects, scope, binding["roleRef"]["name"])["rules"]:
            names = ", ".join(rule.get("resourceNames", []))
            verbs = ", ".join(sorted(rule["verbs"]))
            for group in rule["apiGroups"]:
                found.add((account, scope, group or "core", _resources(group, rule["resources"]), names, verbs))
    return found


def _resources(group: str, resources: list[str]) -> str:
    if resources == KINDS.get(group):
        return "all kinds"
    if resources == [f"{each}/status" for each in KINDS.get(group, [])]:
        return "all kinds, status"
    return ", ".join(resources)


def test_the_table_says_all_rights_and_no_more(helm4: Path) -> None:
    chart = [each for each in render(helm4) if "cleanup" not in each["metadata"]["name"]]
    assert granted(chart) == documented()


# Setting of Galley -> the further rights that it needs: (group, resources)
GALLEY = {
    "convert_ingresses": {("networking.k8s.io", "ingresses"), ("extensions", "ingresses")},
    "synthetic_service_entries": {
        ("core", "services, pods, nodes, namespaces"),
        ("discovery.k8s.io", "endpointslices"),
    },
}


@pytest.mark.parametrize("setting", GALLEY)
def test_what_galley_makes_needs_rights_of_its_own(setting: str, helm4: Path) -> None:
    chart = render(helm4, values={"galley": {"settings": {setting: True}}})
    more = {row for row in granted(chart) if "cleanup" not in row[0]} - documented()
    assert {row[2:4] for row in more} == GALLEY[setting]
    assert {(row[0], row[1], row[5]) for row in more} == {("istio-galley", "ClusterRole", "list, watch")}


@pytest.mark.parametrize("name", value_sets())
def test_no_set_of_values_widens_what_services_may_do(helm4: Path, name: str) -> None:
    """Names get a revision; everything else is the table's."""
    plain = {(*row[:4], row[4].replace("-blue", ""), row[5]) for row in granted(render(helm4, name))}
    services = {row for row in plain if row[0] in ("istio-citadel", "istio-galley", "istio-pilot", "istio-mixer")}
    assert services <= documented()


def rules(objects: list[Object]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (each["metadata"]["name"], rule) for each in of_kind(objects, "Role", "ClusterRole") for rule in each["rules"]
    ]


@pytest.mark.parametrize("name", value_sets())
def test_nothing_is_granted_by_a_star(helm4: Path, name: str) -> None:
    for role, rule in rules(render(helm4, name)):
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"], role


@pytest.mark.parametrize("name", value_sets())
def test_secrets_are_read_by_name_only(helm4: Path, name: str) -> None:
    """`create` excepted, which cannot be limited."""
    readers = {}
    for role, rule in rules(render(helm4, name)):
        if "secrets" in rule["resources"] and rule["verbs"] != ["create"]:
            readers[role] = sorted(rule["resourceNames"])
    wanted = {"istio-citadel": ["istio-ca-secret"]}
    if name == "production":
        wanted["istio-ingressgateway"] = ["admin", "admin-cacert", "shop", "shop-cacert"]
    assert readers == wanted


def test_a_lease_is_made_for_whoever_needs_one(helm4: Path) -> None:
    """Nobody may create one, so the chart does, under the name that the role says; uninstalling removes it."""
    for name, suffix in (("default", ""), ("revision", "-blue")):
        objects = render(helm4, name)
        made = {each["metadata"]["name"] for each in of_kind(objects, "Lease")}
        asked = {each for _, rule in rules(objects) if "leases" in rule["resources"] for each in rule["resourceNames"]}
        assert made == asked == {f"istio-citadel-leader{suffix}", f"istio-galley-leader{suffix}"}
        assert all("spec" not in each for each in of_kind(objects, "Lease")), (
            "an upgrade must not take it from its holder"
        )
