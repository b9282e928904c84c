"""Which DestinationRule, VirtualService and PeerAuthentication speaks for whom."""

import pytest
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.model.authentication import DISABLE, PERMISSIVE, STRICT
from flotilla_pilot.model.frozen import EMPTY, FrozenMap
from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.model.route_rules import RuleIndex, full_gateway
from flotilla_pilot.model.visibility import visible
from flotilla_pilot.testing.meshes import Mesh


def item(kind: str, name: str, namespace: str, spec: str, group: str = "networking") -> str:
    return (
        f"---\napiVersion: {group}.istio.io/v1\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )


def rule(name: str, namespace: str, spec: str) -> str:
    return item("DestinationRule", name, namespace, spec)


def routes(name: str, namespace: str, spec: str) -> str:
    return item("VirtualService", name, namespace, spec)


def peers(name: str, namespace: str, spec: str) -> str:
    return item("PeerAuthentication", name, namespace, spec, "security")


HOST = "a.service.svc.cluster.local"
ROUND, RANDOM = (
    "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}",
    "trafficPolicy: {loadBalancer: {simple: RANDOM}}",
)


def found_rules(text: str, client: str = "client", labels: FrozenMap = EMPTY) -> list[str]:
    found = Mesh(text).snapshot.destination_rules.find(HOST, "service", client, labels)
    return [key.full_name for key, _ in found.references]


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        ("nothing", "", []),
        ("a host by its full name", rule("r", "service", f"host: {HOST}"), ["service/r"]),
        ("a short name in its own namespace", rule("r", "service", "host: a"), ["service/r"]),
        ("a short name elsewhere is another host", rule("r", "client", "host: a"), []),
        ("case does not count", rule("r", "service", f"host: {HOST.upper()}"), ["service/r"]),
        (
            "the client's namespace before the service's before the root",
            rule("r", "istio-system", f"host: {HOST}")
            + rule("s", "service", f"host: {HOST}")
            + rule("c", "client", f"host: {HOST}"),
            ["client/c"],
        ),
        (
            "the service's before the root's",
            rule("r", "istio-system", f"host: {HOST}") + rule("s", "service", f"host: {HOST}"),
            ["service/s"],
        ),
        ("the root's for all", rule("r", "istio-system", "host: '*.local'"), ["istio-system/r"]),
        ("a third namespace's never", rule("r", "other", f"host: {HOST}"), []),
        (
            "the exact host before wildcards",
            rule("wide", "client", "host: '*.svc.cluster.local'") + rule("exact", "client", f"host: {HOST}"),
            ["client/exact"],
        ),
        (
            "the longest wildcard",
            rule("wide", "client", "host: '*.local'") + rule("long", "client", "host: '*.svc.cluster.local'"),
            ["client/long"],
        ),
        (
            "rules of one host are merged, oldest first",
            rule("b", "client", f"host: {HOST}") + rule("a", "client", f"host: {HOST}"),
            ["client/b", "client/a"],
        ),
        ("not exported", rule("r", "service", f"host: {HOST}, exportTo: ['.']"), []),
        ("exported to the client", rule("r", "service", f"host: {HOST}, exportTo: [client]"), ["service/r"]),
        (
            "one that is not exported hides nothing",
            rule("s", "service", f"host: {HOST}, exportTo: ['.']") + rule("r", "istio-system", f"host: {HOST}"),
            ["istio-system/r"],
        ),
        (
            "rules for different namespaces stay apart: the oldest counts",
            rule("b", "client", f"host: {HOST}, exportTo: ['.']") + rule("a", "client", f"host: {HOST}"),
            ["client/b"],
        ),
        (
            "the same namespaces in another order",
            rule("b", "client", f"host: {HOST}, exportTo: ['.', x]")
            + rule("a", "client", f"host: {HOST}, exportTo: [x, '.']"),
            ["client/b", "client/a"],
        ),
        (
            "a workload selector wants the client's labels",
            rule("r", "client", f"host: {HOST}, workloadSelector: {{matchLabels: {{app: x}}}}"),
            [],
        ),
    ],
)
def test_which_destination_rule_counts(case: str, text: str, expected: list[str]) -> None:
    assert found_rules(text) == expected, case


@pytest.mark.parametrize(
    ("case", "text", "expected"),
    [
        (
            "the service's before what is for the whole mesh",
            rule("r", "istio-system", "host: '*.local'") + rule("s", "service", f"host: {HOST}"),
            ["service/s"],
        ),
        (
            "what is for the root namespace alone first",
            rule("r", "istio-system", "host: '*.local', exportTo: ['.']") + rule("s", "service", f"host: {HOST}"),
            ["istio-system/r"],
        ),
        (
            "by its name, too",
            rule("r", "istio-system", f"host: {HOST}, exportTo: [istio-system]")
            + rule("s", "service", f"host: {HOST}"),
            ["istio-system/r"],
        ),
        ("nothing else is there", rule("r", "istio-system", f"host: {HOST}"), ["istio-system/r"]),
    ],
)
def test_which_destination_rule_counts_in_the_root_namespace(case: str, text: str, expected: list[str]) -> None:
    """Gateways often run there; rules for the whole mesh must not hide those of services from them."""
    assert found_rules(text, "istio-system") == expected, case


def test_selectors_that_differ_stay_apart() -> None:
    one, other = (f"host: {HOST}, workloadSelector: {{matchLabels: {{{each}}}}}" for each in ("app: x", "tier: y"))
    text = rule("one", "client", one) + rule("other", "client", other) + rule("all", "client", f"host: {HOST}")
    assert found_rules(text, labels=FrozenMap({"app": "x", "tier": "y"})) == ["client/one", "client/all"]


def test_a_rule_for_some_workloads_wins_among_them_and_in_its_own_namespace_only() -> None:
    selected = f"host: {HOST}, workloadSelector: {{matchLabels: {{app: x}}}}"
    text = rule("all", "client", f"host: {HOST}") + rule("some", "client", selected)
    assert found_rules(text, labels=FrozenMap({"app": "x"})) == ["client/some", "client/all"]
    assert found_rules(text) == ["client/all"]
    assert found_rules(rule("some", "service", selected), labels=FrozenMap({"app": "x"})) == []


def test_merged_rules_keep_the_oldest_policy_and_each_subset_once() -> None:
    one = "subsets: [{name: v1, labels: {version: one}}]"
    two = "subsets: [{name: v1, labels: {version: two}}, {name: v2, labels: {version: two}}]"
    text = (
        rule("first", "client", f"host: {HOST}, {one}")
        + rule("second", "client", f"host: {HOST}, {ROUND}, {two}")
        + rule("third", "client", f"host: {HOST}, {RANDOM}")
    )
    found = Mesh(text).snapshot.destination_rules.find(HOST, "service", "client", EMPTY)
    assert found.policy is not None
    assert found.policy.load_balancer.simple == 4
    assert {each.name: dict(each.labels) for each in found.subsets} == {
        "v1": {"version": "one"},
        "v2": {"version": "two"},
    }
    assert found.subset("v3") is None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.default.svc.cluster.local", "exact"),
        ("b.default.svc.cluster.local", "long"),
        ("x.example.com", "wide"),
        ("example.org", "any"),
    ],
)
def test_the_most_specific_virtual_service_counts(host: str, expected: str) -> None:
    text = (
        routes("any", "default", "hosts: ['*']")
        + routes("wide", "default", "hosts: ['*.com']")
        + routes("long", "default", "hosts: ['*.default.svc.cluster.local']")
        + routes("exact", "default", "hosts: [a]")
        + routes("younger", "default", "hosts: [a, '*.com']")
    )
    best = RuleIndex(Mesh(text).snapshot.route_rules).find(host)
    assert best is not None
    assert best.item.key.name == expected


def test_no_virtual_service_counts_for_a_host_that_none_covers() -> None:
    assert RuleIndex(Mesh(routes("r", "default", "hosts: [a]")).snapshot.route_rules).find("b") is None


def test_names_in_a_virtual_service_are_of_its_namespace() -> None:
    text = routes("r", "default", "hosts: [a, B.io, A], gateways: [g, other/g, mesh]")
    (rules,) = Mesh(text).snapshot.route_rules
    assert rules.hosts == ("a.default.svc.cluster.local", "b.io")
    assert rules.gateways == ("default/g", "other/g", "mesh")
    assert rules.full_host("c") == "c.default.svc.cluster.local"
    assert rules.full_gateway("x") == "default/x"
    assert full_gateway("mesh", "default") == "mesh"


def test_a_virtual_service_without_gateways_is_the_meshs() -> None:
    (rules,) = Mesh(routes("r", "default", "hosts: [a]")).snapshot.route_rules
    assert rules.gateways == ("mesh",)


LABELS = {"app": "a"}
SELECTED = "selector: {matchLabels: {app: a}}"


@pytest.mark.parametrize(
    ("case", "text", "expected", "by"),
    [
        ("nobody says", "", PERMISSIVE, []),
        ("the mesh says", peers("m", "istio-system", "mtls: {mode: STRICT}"), STRICT, ["istio-system/m"]),
        (
            "the namespace beats the mesh",
            peers("m", "istio-system", "mtls: {mode: STRICT}") + peers("n", "default", "mtls: {mode: DISABLE}"),
            DISABLE,
            ["istio-system/m", "default/n"],
        ),
        (
            "the workload beats the namespace",
            peers("n", "default", "mtls: {mode: DISABLE}")
            + peers("w", "default", f"{SELECTED}, mtls: {{mode: STRICT}}"),
            STRICT,
            ["default/n", "default/w"],
        ),
        (
            "what is not said is inherited",
            peers("m", "istio-system", "mtls: {mode: STRICT}")
            + peers("n", "default", "mtls: {mode: UNSET}")
            + peers("w", "default", SELECTED),
            STRICT,
            ["istio-system/m", "default/n", "default/w"],
        ),
        (
            "a port beats its workload",
            peers("w", "default", f"{SELECTED}, mtls: {{mode: STRICT}}, portLevelMtls: {{80: {{mode: DISABLE}}}}"),
            DISABLE,
            ["default/w"],
        ),
        (
            "a port that is not said inherits",
            peers("w", "default", f"{SELECTED}, mtls: {{mode: STRICT}}, portLevelMtls: {{80: {{mode: UNSET}}}}"),
            STRICT,
            ["default/w"],
        ),
        (
            "another port does not count",
            peers("w", "default", f"{SELECTED}, mtls: {{mode: STRICT}}, portLevelMtls: {{81: {{mode: DISABLE}}}}"),
            STRICT,
            ["default/w"],
        ),
        (
            "ports without a selector do not count",
            peers("n", "default", "mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}"),
            STRICT,
            ["default/n"],
        ),
        (
            "the oldest of several for the namespace",
            peers("z", "default", "mtls: {mode: STRICT}") + peers("a", "default", "mtls: {mode: DISABLE}"),
            STRICT,
            ["default/z"],
        ),
        (
            "the oldest of several for the workload",
            peers("z", "default", f"{SELECTED}, mtls: {{mode: STRICT}}")
            + peers("a", "default", f"{SELECTED}, mtls: {{mode: DISABLE}}"),
            STRICT,
            ["default/z"],
        ),
        (
            "another workload's",
            peers("w", "default", "selector: {matchLabels: {app: b}}, mtls: {mode: STRICT}"),
            PERMISSIVE,
            [],
        ),
        ("another namespace's", peers("n", "other", "mtls: {mode: STRICT}"), PERMISSIVE, []),
        (
            "a selector in the root namespace is for the root namespace",
            peers("m", "istio-system", f"{SELECTED}, mtls: {{mode: STRICT}}"),
            PERMISSIVE,
            [],
        ),
    ],
)
def test_which_peer_authentication_counts(case: str, text: str, expected: int, by: list[str]) -> None:
    found = Mesh(text).snapshot.authentication.mode("default", LABELS, 80)
    assert found.mode == expected, case
    assert [key.full_name for key, _ in found.references] == by


def test_asking_for_a_port_leaves_the_object_as_it_is() -> None:
    mesh = Mesh(peers("w", "default", f"{SELECTED}, portLevelMtls: {{81: {{mode: DISABLE}}}}"))
    mesh.snapshot.authentication.mode("default", LABELS, 80)
    (spec,) = (each.spec for each in mesh.snapshot.objects.values())
    assert list(spec.port_level_mtls) == [81]


@pytest.mark.parametrize(
    ("export_to", "viewer", "default", "expected"),
    [
        ([], "other", ["*"], True),
        ([], "other", ["."], False),
        ([], "own", ["."], True),
        (["*"], "other", ["."], True),
        (["."], "own", ["*"], True),
        (["."], "other", ["*"], False),
        (["other", "third"], "other", ["*"], True),
        (["third"], "own", ["*"], False),
        (["~"], "own", ["*"], False),
        (["*", "~"], "other", ["*"], True),
        ([".", "~"], "other", ["*"], False),
    ],
)
def test_export_to(export_to: list[str], viewer: str, default: list[str], expected: bool) -> None:
    assert visible(export_to, "own", viewer, default) is expected


def mesh_config(spec: str) -> str:
    return f"kind: MeshConfig\nspec: {{{spec}}}\n"


def test_without_a_mesh_configuration_the_defaults_are_todays() -> None:
    mesh = Mesh("", MeshSettings(trust_domain="td", root_namespace="root")).snapshot.mesh
    assert (mesh.trust_domains, mesh.root_namespace, mesh.domain) == (("td",), "root", "cluster.local")
    assert mesh.allow_any
    assert mesh.auto_mtls
    assert mesh.connect_timeout == Duration(seconds=10)
    assert (mesh.access_log_file, mesh.access_log_format, mesh.access_log_json) == ("", "", False)
    assert mesh.default_retry is None
    assert not mesh.h2_upgrade
    assert mesh.service_export == mesh.virtual_service_export == mesh.destination_rule_export == ("*",)
    assert mesh.references == ()


def test_the_mesh_configuration_beats_the_settings() -> None:
    text = mesh_config(
        "trustDomain: own, trustDomainAliases: [old, own], rootNamespace: roots, accessLogFile: /dev/stderr,"
        "accessLogEncoding: JSON, enableAutoMtls: false, connectTimeout: 3s, h2UpgradePolicy: UPGRADE,"
        "defaultHttpRetryPolicy: {attempts: 5}, defaultServiceExportTo: ['.'], defaultVirtualServiceExportTo: [a],"
        "defaultDestinationRuleExportTo: [b]"
    )
    mesh = Mesh(text, MeshSettings(trust_domain="td", root_namespace="root")).snapshot.mesh
    assert mesh.trust_domains == ("own", "old")
    assert mesh.trust_domain == "own"
    assert mesh.root_namespace == "roots"
    assert mesh.access_log_json
    assert not mesh.auto_mtls
    assert mesh.connect_timeout == Duration(seconds=3)
    assert mesh.h2_upgrade
    assert mesh.default_retry is not None
    assert mesh.default_retry.attempts == 5
    assert (mesh.service_export, mesh.virtual_service_export, mesh.destination_rule_export) == ((".",), ("a",), ("b",))
    assert [key.full_name for key, _ in mesh.references] == ["istio-system/istio"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", True),
        ("outboundTrafficPolicy: {mode: REGISTRY_ONLY}", False),
        ("outboundTrafficPolicy: {mode: ALLOW_ANY}", True),
        ("outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}", True),
    ],
)
def test_registry_only_must_be_said(spec: str, expected: bool) -> None:
    assert Mesh(mesh_config(spec)).snapshot.mesh.allow_any is expected
