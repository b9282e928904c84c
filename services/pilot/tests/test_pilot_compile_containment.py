"""Faults in every step of the compiler: the object that they lie in is left out, and nothing else changes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla_pilot.compile import assignments, entrance, gateway_routes, names, outbound, sound_cluster, virtual_hosts
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.containment import MOST, ContainedCompiler, Parts, Withheld, build_contained
from flotilla_pilot.model import registry, route_rules
from flotilla_pilot.model import snapshot as snapshots
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.tls_only import tls_only
from flotilla_pilot.scope import gateway as gateway_scope
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.testing.properties import examples

PARTS = {
    f"service {name}": f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.default.svc.cluster.local]
  addresses: [10.1.0.{number}]
  location: MESH_INTERNAL
  ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 90, name: tcp, protocol: TCP}}]
  resolution: STATIC
  endpoints: [{{address: 10.2.0.{number}}}]
"""
    for number, name in enumerate(("a", "b", "c"), 1)
}
for _name in ("a", "b"):
    PARTS[f"rule {_name}"] = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {_name}, namespace: default}}
spec: {{hosts: [{_name}], gateways: [mesh, edge], http: [{{timeout: 1s, route: [{{destination: {{host: {_name}, port: {{number: 80}}}}}}]}}]}}
"""
    PARTS[f"policy {_name}"] = f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {_name}, namespace: default}}
spec: {{host: {_name}, trafficPolicy: {{tls: {{mode: SIMPLE}}, connectionPool: {{tcp: {{maxConnections: 7}}}}}}}}
"""
PARTS["gateway edge"] = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {istio: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
"""
PARTS["gateway side"] = PARTS["gateway edge"].replace("name: edge", "name: side").replace("8080", "8081")

SIDECAR = make_proxy("a", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.2.0.1")
ROUTER = make_proxy("edge", 9, kind="router", LABELS={"istio": "edge"})


@dataclass(frozen=True)
class Step:
    """A step, and how to tell from its arguments which object it works on."""

    module: Any
    function: str
    victim: str
    concerns: Callable[..., bool]
    proxy: Proxy = SIDECAR


STEPS = {
    "virtual host": Step(
        outbound, "host_part", "rule a", lambda plan, *_: plan.rules is not None and plan.rules.item.key.name == "a"
    ),
    "routes": Step(virtual_hosts, "translate", "rule b", lambda given: given.rules.item.key.name == "b"),
    "cluster": Step(
        sound_cluster,
        "outbound",
        "policy a",
        lambda given: (
            given.policy.policy is not None and given.policy.policy.HasField("connection_pool") and "|a." in given.name
        ),
    ),
    "assignment": Step(assignments, "assembled", "service b", lambda name, *_: "|b." in name),
    "name": Step(names, "outbound_cluster", "service c", lambda port, subset, host: host.startswith("c.")),
    "way in": Step(entrance, "_routes", "service a", lambda cluster, *_: "80" in cluster),
    "gateway's servers": Step(
        gateway_scope,
        "BoundServer",
        "gateway side",
        lambda server, index, gateway, *_: gateway.key.name == "side",
        ROUTER,
    ),
    "gateway's routes": Step(
        gateway_routes, "translate", "rule a", lambda given: given.rules.item.key.name == "a", ROUTER
    ),
}
BUILD = {
    "services": Step(registry, "_endpoints", "service a", lambda item, *_: item.key.name == "a"),
    "labels asked for": Step(
        snapshots, "_label_keys", "rule b", lambda rules, _: any(each.item.key.name == "b" for each in rules)
    ),
    "rules": Step(route_rules, "RouteRules", "rule a", lambda item, *_, **__: item.key.name == "a"),
}


class Injected(RuntimeError):
    """A fault that a test put into a step."""


def broken(step: Step) -> Callable[..., Any]:
    whole = getattr(step.module, step.function)

    def faulty(*arguments: Any, **named: Any) -> Any:
        if step.concerns(*arguments, **named):
            raise Injected("injected")
        return whole(*arguments, **named)

    return faulty


def parts_of(mesh: Mesh) -> Parts:
    return Parts.of(mesh.snapshot)


def text_of(names: Iterator[str] | list[str]) -> str:
    return "\n---\n".join(PARTS[each] for each in names)


def key_of(victim: str) -> str:
    return f"default/{victim.partition(' ')[2]}"


def expected(victim: str, proxy: Proxy) -> Compiled:
    """What is compiled of a mesh that never had the object; of a policy its TLS stays."""
    mesh = Mesh(text_of([*PARTS]))
    keys = [key for key in mesh.snapshot.objects if key.full_name == key_of(victim) and _kind(key) == victim.split()[0]]
    return Compiled(Compiler().compile(parts_of(mesh).build(keys), proxy))


def _kind(key: ObjectKey) -> str:
    names = {
        "serviceentries": "service",
        "virtualservices": "rule",
        "destinationrules": "policy",
        "gateways": "gateway",
    }
    return names[key.collection.rpartition("/")[2]]


@pytest.mark.parametrize("name", STEPS)
def test_a_fault_in_a_step_costs_the_one_object(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = STEPS[name]
    wanted = expected(step.victim, step.proxy)
    snapshot = Mesh(text_of([*PARTS])).snapshot
    monkeypatch.setattr(step.module, step.function, broken(step))
    contained: list[ObjectKey] = []
    compiled = Compiled(ContainedCompiler(on_contained=contained.append).compile(snapshot, step.proxy))
    assert [(_kind(key), key.name) for key in contained] == [tuple(step.victim.split())]
    assert (key_of(step.victim), "compile-failed", "") in compiled.problems()
    assert compiled.bodies() == wanted.bodies()


@pytest.mark.parametrize("name", BUILD)
def test_a_fault_in_the_model_costs_the_one_object(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = BUILD[name]
    wanted = expected(step.victim, SIDECAR)
    parts = parts_of(Mesh(text_of([*PARTS])))
    monkeypatch.setattr(step.module, step.function, broken(step))
    contained: list[ObjectKey] = []
    snapshot = build_contained(parts, contained.append)
    (key,) = contained
    assert (_kind(key), key.name) == tuple(step.victim.split())
    assert snapshot.problems[key][0].code == "compile-failed"
    assert key in snapshot.objects, "its state must be told"
    assert Compiled(Compiler().compile(snapshot, SIDECAR)).bodies() == wanted.bodies()


@given(st.sets(st.sampled_from(sorted(PARTS)), min_size=3), st.data())
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whichever_objects_break_whichever_step(
    monkeypatch: pytest.MonkeyPatch, held: set[str], data: st.DataObject
) -> None:
    """In any mesh, with faults in several steps at once, something is compiled, and who was left out is told."""
    chosen = data.draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=3, unique=True))
    snapshot = Mesh(text_of(sorted(held))).snapshot
    with monkeypatch.context() as patch:
        for name in chosen:
            patch.setattr(STEPS[name].module, STEPS[name].function, broken(STEPS[name]))
        for proxy in (SIDECAR, ROUTER):
            contained: list[ObjectKey] = []
            compiled = ContainedCompiler(on_contained=contained.append).compile(snapshot, proxy)
            assert {key for key, each in compiled.problems.items() if each[0].code == "compile-failed"} == set(
                contained
            )
            assert len(contained) <= len(chosen) + 1


def test_who_was_found_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    step = STEPS["routes"]
    mesh = Mesh(text_of([*PARTS]))
    monkeypatch.setattr(step.module, step.function, broken(step))
    contained: list[ObjectKey] = []
    compiler = ContainedCompiler(on_contained=contained.append)
    for proxy in (SIDECAR, make_proxy("b", INTERCEPTION_MODE="REDIRECT"), SIDECAR):
        assert compiler.compile(mesh.snapshot, proxy).problems
    assert len(contained) == 1


def test_what_is_mended_is_served_again(monkeypatch: pytest.MonkeyPatch) -> None:
    step = STEPS["routes"]
    mesh = Mesh(text_of([*PARTS]))
    compiler = ContainedCompiler()
    with monkeypatch.context() as patch:
        patch.setattr(step.module, step.function, broken(step))
        assert compiler.compile(mesh.snapshot, SIDECAR).problems
    after = Compiled(compiler.compile(Mesh(text_of([*PARTS])).snapshot, SIDECAR))
    assert "compile-failed" not in {code for _, code, _ in after.problems()}
    assert after.bodies() == Mesh(text_of([*PARTS])).compile(SIDECAR).bodies()


STRICT = """
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""


def test_a_policy_of_who_may_call_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = Mesh(text_of([*PARTS]) + STRICT).snapshot
    whole = entrance.Entrance.chains

    def faulty(self: Any, mode: int) -> Any:
        if mode == 3:
            raise Injected("injected")
        return whole(self, mode)

    monkeypatch.setattr(entrance.Entrance, "chains", faulty)
    with pytest.raises(Withheld) as withheld:
        ContainedCompiler().compile(snapshot, SIDECAR)
    ((key, problems),) = withheld.value.problems.items()
    assert (key.collection, [each.code for each in problems]) == (kinds.PEER_AUTHENTICATIONS, ["compile-failed"])


def test_where_everything_is_broken_nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    services = "\n---\n".join(
        PARTS["service a"].replace("name: a", f"name: s{each}").replace("a.default", f"s{each}.default")
        for each in range(MOST + 2)
    )
    snapshot = Mesh(services).snapshot
    monkeypatch.setattr(assignments, "assembled", broken(Step(assignments, "assembled", "", lambda *_: True)))
    with pytest.raises(Withheld) as withheld:
        ContainedCompiler().compile(snapshot, SIDECAR)
    assert withheld.value.problems == {}


def test_of_a_rule_all_that_is_about_tls_stays() -> None:
    text = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec:
  host: a
  workloadSelector: {matchLabels: {app: x}}
  exportTo: ["."]
  trafficPolicy:
    tls: {mode: SIMPLE, sni: a.example}
    loadBalancer: {simple: RANDOM}
    portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}, outlierDetection: {}}]
  subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: MUTUAL}, connectionPool: {}}}]
"""
    (item,) = Mesh(text).snapshot.objects.values()
    found = tls_only(item.spec)
    assert (found.host, list(found.export_to), dict(found.workload_selector.match_labels)) == ("a", ["."], {"app": "x"})
    assert found.traffic_policy.tls == item.spec.traffic_policy.tls
    assert not found.traffic_policy.HasField("load_balancer")
    (port,) = found.traffic_policy.port_level_settings
    assert port.HasField("tls")
    assert not port.HasField("outlier_detection")
    (subset,) = found.subsets
    assert (subset.name, dict(subset.labels), subset.traffic_policy.tls.mode) == ("v1", {"version": "v1"}, 2)
    assert not subset.traffic_policy.HasField("connection_pool")
