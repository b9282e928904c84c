"""From one snapshot to the next only what depends on a change is a new object; proxies share what they may."""

import re

import pytest

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, TYPES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.testing.meshes import Mesh, make_proxy

SERVICES = """
kind: MeshConfig
spec: {accessLogFile: /dev/stdout}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: default}
spec:
  hosts: [a.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: a}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b, namespace: default}
spec:
  hosts: [b.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 6379, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: b}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: default}
spec: {host: a, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: default}
spec: {hosts: [a], http: [{timeout: 1s, route: [{destination: {host: a, subset: v1}}]}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: default}
spec:
  workloadSelector: {labels: {app: a}}
  ingress: [{port: {number: 80, name: http, protocol: HTTP}, bind: 127.0.2.1, defaultEndpoint: "0.0.0.0:80"}]
  egress: [{bind: 127.0.3.1, hosts: ["*/*"]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a-1, namespace: default}
spec: {address: 127.0.2.1, labels: {app: a, version: v1}, serviceAccount: a}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: b-1, namespace: default}
spec: {address: 127.0.2.2, labels: {app: b}, serviceAccount: b}
"""
PROXY = make_proxy("a-1", LABELS={"app": "a", "version": "v1"})
A, A1, B = "outbound|80||a.default.svc.cluster.local", "outbound|80|v1|a.default.svc.cluster.local", ""
B = "outbound|6379||b.default.svc.cluster.local"
SHORT = {CLUSTER: "C", ENDPOINTS: "E", LISTENER: "L", ROUTES: "R"}


def compile_both(before: str, after: str, proxy: Proxy = PROXY) -> tuple[CompiledProxy, CompiledProxy]:
    compiler = Compiler()
    first = compiler.compile(Mesh(before).snapshot, proxy)
    return first, compiler.compile(Mesh(after).snapshot, proxy)


def changed(before: CompiledProxy, after: CompiledProxy) -> set[str]:
    """The resources that are not the identical object, as a letter of their type and their name."""
    found = set()
    for type_url in TYPES:
        old, new = before.resources[type_url], after.resources[type_url]
        found |= {f"{SHORT[type_url]} {name}" for name in old.keys() | new.keys() if old.get(name) is not new.get(name)}
    return found


LAST = "---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: z, namespace: default}\nspec: "


@pytest.mark.parametrize(
    ("case", "after", "expected"),
    [
        ("nothing", SERVICES, set()),
        ("a route", SERVICES.replace("timeout: 1s", "timeout: 2s"), {"R 80"}),
        (
            "an endpoint of the same account",
            SERVICES + LAST + "{address: 127.0.2.3, labels: {app: b}, serviceAccount: b}\n",
            {f"E {B}"},
        ),
        (
            "an endpoint of a new account, which callers must accept",
            SERVICES + LAST + "{address: 127.0.2.3, labels: {app: b}, serviceAccount: c}\n",
            {f"E {B}", f"C {B}"},
        ),
        ("an endpoint of no service", SERVICES + LAST + "{address: 127.0.2.3, labels: {app: c}}\n", set()),
        (
            "peer authentication, which every endpoint that has a proxy is asked about",
            SERVICES.replace("mode: STRICT", "mode: PERMISSIVE"),
            {"L 127.0.2.1_80"},
        ),
        (
            "peer authentication switched off",
            SERVICES.replace("mode: STRICT", "mode: DISABLE"),
            {"L 127.0.2.1_80", *(f"{kind} {name}" for kind in "CE" for name in (A, A1, B))},
        ),
        (
            "a subset more",
            SERVICES.replace("subsets: [", "subsets: [{name: v2, labels: {version: v2}}, "),
            {"C outbound|80|v2|a.default.svc.cluster.local", "E outbound|80|v2|a.default.svc.cluster.local"},
        ),
        (
            "a policy",
            SERVICES.replace("{host: a, subsets", "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets"),
            {f"C {A}", f"C {A1}"},
        ),
        (
            "a log file, which every listener has",
            SERVICES.replace("/dev/stdout", "/dev/stderr"),
            {"L 127.0.2.1_80", "L 127.0.3.1_80", "L 127.0.3.1_6379"},
        ),
        (
            "where the application is",
            SERVICES.replace("0.0.0.0:80", "127.0.0.1:8000"),
            {"C inbound|80||"},
        ),
    ],
)
def test_only_what_a_change_concerns_is_new(case: str, after: str, expected: set[str]) -> None:
    assert changed(*compile_both(SERVICES, after)) == expected, case


def test_a_service_that_goes_takes_its_resources_along() -> None:
    without = re.sub(
        r"---\napiVersion: \S+\nkind: ServiceEntry\nmetadata: {name: b.*?(?=---)", "", SERVICES, flags=re.DOTALL
    )
    before, after = compile_both(SERVICES, without)
    assert changed(before, after) == {f"C {B}", f"E {B}", "L 127.0.3.1_6379"}
    assert B not in after.resources[CLUSTER]


def test_going_back_is_the_old_object_while_somebody_holds_it() -> None:
    compiler = Compiler()
    texts = (SERVICES, SERVICES.replace("timeout: 1s", "timeout: 2s"), SERVICES)
    first, second, third = (compiler.compile(Mesh(text).snapshot, PROXY) for text in texts)
    assert first.resources[ROUTES]["80"] is third.resources[ROUTES]["80"]
    assert first.resources[ROUTES]["80"] is not second.resources[ROUTES]["80"]


def test_proxies_of_one_scope_share_their_outbound_side() -> None:
    mesh = Mesh(SERVICES)
    one, other = (mesh.compile(make_proxy(f"c-{number}", number)).compiled for number in (3, 4))
    assert changed(one, other) == set()


def test_proxies_of_other_namespaces_share_what_is_equal() -> None:
    mesh = Mesh(SERVICES)
    one = mesh.compile(make_proxy("c", 3)).compiled
    other = mesh.compile(make_proxy("c", 4, namespace="other")).compiled
    # The bare name is only known in a service's own namespace, and traces tell a proxy's own.
    assert changed(one, other) == {"L 127.0.0.1_80", "R 80"}


@pytest.mark.parametrize(
    ("type_url", "name", "expected"),
    [
        (LISTENER, "127.0.2.1_80", {"istio", "own", "default"}),
        (LISTENER, "127.0.3.1_80", {"istio", "own"}),
        (LISTENER, "127.0.3.1_6379", {"istio", "own", "b"}),
        (ROUTES, "80", {"istio", "own", "a"}),
        (CLUSTER, A, {"istio", "a"}),
        (CLUSTER, B, {"istio", "b"}),
        (CLUSTER, "inbound|80||", {"istio", "own", "a"}),
        (ENDPOINTS, A1, {"a", "a-1", "default"}),
        (ENDPOINTS, B, {"b", "b-1", "default"}),
    ],
)
def test_a_resource_knows_the_objects_it_was_made_from(type_url: str, name: str, expected: set[str]) -> None:
    resource = Mesh(SERVICES).compile(PROXY).compiled.resources[type_url][name]
    assert {key.name for key in resource.depends_on} == expected


def test_every_object_that_concerns_the_proxy_is_in_some_resource() -> None:
    mesh = Mesh(SERVICES)
    compiled = mesh.compile(PROXY).compiled
    known = {key for held in compiled.resources.values() for each in held.values() for key in each.depends_on}
    assert known == set(mesh.snapshot.objects)


def test_two_compilers_agree() -> None:
    assert Mesh(SERVICES).compile(PROXY).bodies() == Mesh(SERVICES).compile(PROXY).bodies()


def test_what_is_compiled_cannot_be_changed() -> None:
    compiled = Mesh(SERVICES).compile(PROXY).compiled
    with pytest.raises(TypeError):
        compiled.resources[CLUSTER]["x"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        compiled.resources[CLUSTER][A].body = b""  # type: ignore[misc]
