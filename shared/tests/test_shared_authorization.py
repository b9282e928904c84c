"""The normal form of who may call what, and which policies concern a workload."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_protos.istio.rbac.v1alpha1.rbac_pb2 import ServiceRole, ServiceRoleBinding
from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import AuthorizationPolicy
from flotilla_shared.model import kinds
from flotilla_shared.model.authorization.attributes import Attribute, attribute_of
from flotilla_shared.model.authorization.policies import DRY_RUN, policy_of
from flotilla_shared.model.authorization.policy import Clause, Policy
from flotilla_shared.model.authorization.roles import policy_of_binding
from flotilla_shared.model.authorization.selection import PolicySelection, beyond_workloads
from flotilla_shared.model.authorization.trust_domains import with_aliases
from flotilla_shared.model.objects import ConfigObject, ObjectKey

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "today"
ROOT = "istio-config"
DOMAINS = ("cluster.local",)


def item(
    collection: str, message: Any, spec: Mapping[str, Any], name: str = "p", namespace: str = "foo"
) -> ConfigObject:
    key = ObjectKey(collection, namespace, name)
    return ConfigObject(key, "1", json_format.ParseDict(spec, message()))


def policy(spec: Mapping[str, Any], name: str = "p", namespace: str = "foo", domains: Any = DOMAINS) -> Policy:
    return policy_of(item(kinds.AUTHORIZATION_POLICIES, AuthorizationPolicy, spec, name, namespace), domains)


def rows(file: str) -> list[dict[str, Any]]:
    path = VECTORS / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def clause(key: str, values: str = "", not_values: str = "") -> Clause:
    return Clause(attribute_of(key), tuple(values.split()), tuple(not_values.split()))


class TestNormalForm:
    def test_sources_operations_and_conditions_are_clauses(self) -> None:
        found = policy(
            {
                "action": "DENY",
                "selector": {"matchLabels": {"app": "a"}},
                "rules": [
                    {
                        "from": [
                            {"source": {"principals": ["a", "b"], "notIpBlocks": ["10.0.0.0/8"]}},
                            {"source": {"serviceAccounts": ["own", "other/one"]}},
                        ],
                        "to": [{"operation": {"paths": ["/x*"], "notMethods": ["PUT"], "ports": ["80"]}}],
                        "when": [{"key": "request.headers[X-Y]", "values": ["1"], "notValues": ["2"]}],
                    }
                ],
            }
        )
        assert (found.action, found.selector) == ("DENY", {"app": "a"})
        (rule,) = found.rules
        assert rule.sources == (
            (clause("source.principal", "a b"), clause("source.ip", "", "10.0.0.0/8")),
            (clause("source.serviceAccount", "foo/own other/one"),),
        )
        assert rule.operations == (
            (clause("request.method", "", "PUT"), clause("request.path", "/x*"), clause("destination.port", "80")),
        )
        assert rule.conditions == (Clause(Attribute("request.headers", ("x-y",)), ("1",), ("2",)),)

    def test_no_rule_an_empty_rule_and_an_empty_source_differ(self) -> None:
        assert policy({}).rules == ()
        (empty,) = policy({"rules": [{}]}).rules
        assert (empty.sources, empty.operations, empty.conditions) == (((),), ((),), ())
        (anybody,) = policy({"rules": [{"from": [{"source": {}}]}]}).rules
        assert anybody.sources == ((),)

    def test_what_only_http_has_on_a_connection_that_is_none(self) -> None:
        spec = {"rules": [{"to": [{"operation": {"methods": ["GET"], "ports": ["80"]}}]}, {}]}
        first, second = policy(spec).rules
        assert first.on_tcp("ALLOW") is None is first.on_tcp("CUSTOM")
        for action in ("DENY", "AUDIT"):
            wider = first.on_tcp(action)  # type: ignore[arg-type]
            assert wider is not None
            assert wider.operations == ((clause("destination.port", "80"),),)
        assert second.on_tcp("ALLOW") is second

    def test_a_dry_run_and_a_provider_are_kept(self) -> None:
        made = item(kinds.AUTHORIZATION_POLICIES, AuthorizationPolicy, {"action": "CUSTOM", "provider": {"name": "x"}})
        tried = ConfigObject(made.key, "1", made.spec, annotations={DRY_RUN: "true"})
        assert policy_of(tried, DOMAINS).dry_run
        assert not policy_of(made, DOMAINS).dry_run
        assert policy_of(made, DOMAINS).provider == "x"

    @pytest.mark.parametrize("key", ["request.headers[", "request.headers[x", "a[]"])
    def test_a_key_whose_brackets_do_not_close_is_refused_with_its_place(self, key: str) -> None:
        with pytest.raises(ValueError, match=r"spec\.rules\[0\]\.when\[0\]\.key"):
            policy({"rules": [{"when": [{"key": key, "values": ["v"]}]}]})

    def test_a_claim_inside_of_a_claim(self) -> None:
        assert attribute_of("request.auth.claims[a][b]") == Attribute("request.auth.claims", ("a", "b"))


@pytest.mark.parametrize("case", rows("unit/trustdomain.jsonl"), ids=lambda case: case["id"])
def test_trust_domains(case: dict[str, Any]) -> None:
    if not case["call"].endswith("ReplaceTrustDomainAliases"):
        pytest.skip(f"{case['call']} is a part of another function here")
    given = case["input"]
    assert list(with_aliases(given["principals"], given["t"]["TrustDomains"])) == case["result"][0]


@given(st.lists(st.text("ab/*", max_size=12), max_size=4), st.lists(st.text("ab", max_size=3), max_size=3))
def test_a_principal_that_is_named_is_never_lost(principals: list[str], domains: list[str]) -> None:
    """Either it is there itself, or it is of a trust domain of the mesh and there under all of them."""
    found = with_aliases(principals, domains)
    assert len(found) == len(set(found))
    for each in principals:
        rest = each.partition("/")[2]
        assert each in found or all(f"{domain}/{rest}" in found for domain in domains)


WAYPOINTS = "waypoints are not offered: a workload has no services that a policy could name"


@pytest.mark.parametrize("case", rows("tables/model-authorization.jsonl"), ids=lambda case: case["case"]["name"])
def test_selection(case: dict[str, Any]) -> None:
    case, wanted = case["case"], set()
    asked = case["selectionOpts"]
    if asked.get("IsWaypoint"):
        pytest.skip(WAYPOINTS)
    for kind in ("Allow", "Deny", "Audit", "Custom"):
        wanted |= {(each["Namespace"], each["Name"]) for each in case.get(f"want{kind}", ())}
    policies = [
        policy(each["Spec"], each["Meta"]["Name"], each["Meta"]["Namespace"]) for each in case.get("configs", ())
    ]
    found = PolicySelection(policies, ROOT).of(asked["WorkloadNamespace"], asked.get("WorkloadLabels", {}))
    assert {(each.key.namespace, each.key.name) for each in found} == wanted


def test_policies_of_objects_that_are_no_workloads_concern_none() -> None:
    for kind, group in (("Service", ""), ("GatewayClass", "gateway.networking.k8s.io"), ("ServiceEntry", "x")):
        found = policy({"targetRefs": [{"kind": kind, "group": group, "name": "n"}], "rules": [{}]})
        assert beyond_workloads(found)
        assert PolicySelection([found], ROOT).of("foo", {}) == ()
    gateway = policy({"targetRef": {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "n"}})
    assert not beyond_workloads(gateway)
    selection = PolicySelection([gateway], ROOT)
    assert selection.of("foo", {"gateway.networking.k8s.io/gateway-name": "n"}) == (gateway,)
    assert selection.asks_labels("foo")
    assert not selection.asks_labels("bar")


class TestRoles:
    ROLE: Mapping[str, Any] = {"rules": [{"services": ["a.foo.svc"], "methods": ["GET", "*"], "paths": ["/x*"]}]}

    def bound(
        self, binding: Mapping[str, Any], role: Mapping[str, Any] | None = None, namespace: str = "foo"
    ) -> Policy:
        made = item(kinds.SERVICE_ROLES, ServiceRole, role or self.ROLE, "reader", namespace)
        held = item(kinds.SERVICE_ROLE_BINDINGS, ServiceRoleBinding, binding, "readers")
        return policy_of_binding(held, {made.key: made}, "root", DOMAINS)

    def test_a_binding_is_a_policy_that_allows(self) -> None:
        found = self.bound(
            {
                "subjects": [{"user": "u"}, {"properties": {"source.namespace": "n"}, "groups": ["g"]}],
                "roleRef": {"kind": "ServiceRole", "name": "reader"},
            }
        )
        (rule,) = found.rules
        assert found.action == "ALLOW"
        assert rule.sources == (
            (clause("source.principal", "u"),),
            (Clause(Attribute("request.auth.claims", ("groups",)), ("g",)), clause("source.namespace", "n")),
        )
        assert rule.operations == ((clause("destination.service.host", "a.foo.svc"), clause("request.path", "/x*")),)

    def test_everybody(self) -> None:
        (rule,) = self.bound({"subjects": [{"user": "*"}], "role": "reader"}).rules
        assert rule.sources == ((),)

    def test_nobody(self) -> None:
        assert self.bound({"roleRef": {"name": "reader"}}).rules == ()

    def test_a_role_that_is_not_there_or_names_no_service_allows_nothing(self) -> None:
        assert self.bound({"subjects": [{"user": "*"}], "role": "other"}).rules == ()
        assert (
            self.bound({"subjects": [{"user": "*"}], "role": "reader"}, {"rules": [{"methods": ["GET"]}]}).rules == ()
        )

    def test_a_role_of_the_root_namespace_and_actions_in_the_binding(self) -> None:
        assert len(self.bound({"subjects": [{"user": "*"}], "role": "/reader"}, namespace="root").rules) == 1
        inline = self.bound({"subjects": [{"user": "*"}], "actions": [{"ports": [80], "notMethods": ["PUT"]}]})
        (rule,) = inline.rules
        assert rule.operations == ((clause("request.method", "", "PUT"), clause("destination.port", "80")),)

    def test_a_binding_that_is_only_tried(self) -> None:
        assert self.bound({"subjects": [{"user": "*"}], "role": "reader", "mode": "PERMISSIVE"}).dry_run


@pytest.mark.parametrize("file", ["unit/trustdomain.jsonl", "tables/model-authorization.jsonl"])
def test_every_table_is_there(file: str) -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    print(f"{file}: {len(rows(file))} cases")
    assert rows(file)
