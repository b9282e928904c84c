"""Mixer decides: a rule denies a call from one workload, whatever the protocol, and removing it lets it through."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator

import grpc
import pytest

from flotilla_cli.demo.page import Reader
from flotilla_cli.example import example_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.plan.plan import CONFIG

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

PLAY = example_directory() / "play"
VERSION_2 = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http:
  - route: [{destination: {host: reviews.default.svc.cluster.local, subset: v2}}]
"""
DENIED = "PERMISSION_DENIED:front-door.default:nobody may enter"
# Closes productpage at the gateway: %s is a further condition.
FRONT_DOOR = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: front-door, namespace: default}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: nobody may enter}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask-door, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: close-door, namespace: default}
spec:
  match: context.reporter.kind == "outbound" && destination.service.name == "productpage" %s
  actions: [{handler: front-door, instances: [ask-door]}]
"""


def play(mesh: Mesh, name: str) -> None:
    """Put one of the example's files to play with to work."""
    mesh.write(name, (PLAY / name).read_text())
    rule = name.removesuffix(".yaml")
    mesh.wait(lambda: in_force(mesh, rule), f"{rule} to hold")


def in_force(mesh: Mesh, rule: str) -> bool:
    """Whether the rule has an action that works: it may come before its handler does."""
    return any(each["rule"].endswith(rule) for each in mesh.mixer("config")["actions"])


def take_back(mesh: Mesh, name: str, rule: str) -> None:
    (mesh.plan.directory / CONFIG / name).unlink()
    mesh.wait(lambda: rule not in str(mesh.mixer("config")), f"{rule} to be gone")


def stars(mesh: Mesh) -> str:
    return mesh.http.get(f"{mesh.gateway}/api/v1/products/0/reviews").text


def close_door(mesh: Mesh, condition: str = "") -> None:
    mesh.write("front-door.yaml", FRONT_DOOR % condition)
    mesh.wait(lambda: in_force(mesh, "close-door"), "the rule")


def test_one_workload_is_denied_and_its_twin_with_the_same_account_is_not(mesh: Mesh) -> None:
    """All versions of reviews share a service account: only Mixer's workload index tells v2 from v3."""
    play(mesh, "deny-ratings.yaml")
    assert '"color":"red"' in stars(mesh)
    before = mesh.trace("VirtualService", "default", "reviews").version
    mesh.write("reviews-route.yaml", VERSION_2)
    mesh.wait_applied("VirtualService", "default", "reviews", unlike=before)
    mesh.wait(lambda: "unavailable" in stars(mesh), "v2 to be denied its ratings")
    take_back(mesh, "deny-ratings.yaml", "deny-ratings")
    assert '"color":"black"' in stars(mesh)


def test_the_denied_caller_reads_the_rules_message(mesh: Mesh) -> None:
    close_door(mesh)
    answer = mesh.http.get(f"{mesh.gateway}/productpage")
    assert (answer.status_code, answer.text) == (403, DENIED)
    assert answer.headers["content-type"] == "text/plain"
    take_back(mesh, "front-door.yaml", "close-door")
    assert mesh.http.get(f"{mesh.gateway}/productpage").status_code == 200


def test_http2_is_denied_as_http1_is(mesh: Mesh) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl: `apt-get install curl`")
    close_door(mesh)
    command = [curl, "-s", "--noproxy", "*", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}"]
    answer = subprocess.run([*command, f"{mesh.gateway}/productpage"], capture_output=True, text=True, timeout=20)
    assert answer.stdout == f"{DENIED}\n2 403"


@pytest.fixture
def channel(mesh: Mesh) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh.gateway.removeprefix("http://")) as opened:
        yield opened


def test_a_grpc_caller_gets_the_code_and_the_message(mesh: Mesh, channel: grpc.Channel) -> None:
    """`/static/...` leads to productpage, which speaks no gRPC: allowed, the call fails otherwise."""
    call = channel.unary_unary("/static/Ask", request_serializer=bytes, response_deserializer=bytes)
    close_door(mesh)
    with pytest.raises(grpc.RpcError) as denied:
        call(b"", timeout=10)
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert denied.value.details() == DENIED
    take_back(mesh, "front-door.yaml", "close-door")
    with pytest.raises(grpc.RpcError) as allowed:
        call(b"", timeout=10)
    assert allowed.value.code() is not grpc.StatusCode.PERMISSION_DENIED


def test_a_tcp_connection_is_closed(mesh: Mesh) -> None:
    play(mesh, "deny-store.yaml")
    name = r"^ext_authz\.mixer\.(denied|cx_closed)$"
    before = sum(mesh.stats("store-v1", name).values())
    assert "unavailable" in stars(mesh)
    after = mesh.stats("store-v1", name)
    assert sum(after.values()) >= before + 2, after
    take_back(mesh, "deny-store.yaml", "deny-store")
    assert '"color":"red"' in stars(mesh)


# Between two sidecars: what reviews v2 asks of ratings, through its own way out. The sidecar of ratings asks Mixer.
WAY_OUT = "127.0.3.4:15002"
RATINGS = "ratings.default.svc.cluster.local:9080"
BETWEEN = "PERMISSION_DENIED:closed.default:ratings are closed for reviews-v2"


def test_between_sidecars_http1_reads_the_rules_message(mesh: Mesh) -> None:
    def ask() -> tuple[int, str]:
        answer = mesh.http.get(f"http://{WAY_OUT}/ratings/0", headers={"host": RATINGS})
        return answer.status_code, answer.text

    assert ask()[0] == 200
    play(mesh, "deny-ratings.yaml")
    assert ask() == (403, BETWEEN)
    take_back(mesh, "deny-ratings.yaml", "deny-ratings")
    assert ask()[0] == 200


def test_between_sidecars_http2_is_denied_as_http1_is(mesh: Mesh) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl: `apt-get install curl`")
    command = [curl, "-s", "--noproxy", "*", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}"]
    command += ["-H", f"Host: {RATINGS}", f"http://{WAY_OUT}/ratings/0"]

    def ask() -> str:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout

    assert ask().endswith("\n2 200")
    play(mesh, "deny-ratings.yaml")
    assert ask() == f"{BETWEEN}\n2 403"


def test_between_sidecars_a_grpc_caller_gets_the_code_and_the_message(mesh: Mesh) -> None:
    """ratings speaks no gRPC: allowed, the call fails otherwise."""
    with grpc.insecure_channel(WAY_OUT, (("grpc.default_authority", RATINGS),)) as channel:
        call = channel.unary_unary("/ratings.Ratings/Get", request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as allowed:
            call(b"", timeout=10)
        assert allowed.value.code() is not grpc.StatusCode.PERMISSION_DENIED
        play(mesh, "deny-ratings.yaml")
        with pytest.raises(grpc.RpcError) as denied:
            call(b"", timeout=10)
    assert (denied.value.code(), denied.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, BETWEEN)


TCP_WAY_IN = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: store, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 9090, name: tcp, protocol: TCP}, bind: 127.0.0.1, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: store, namespace: default}
spec:
  hosts: ["*"]
  gateways: [store]
  tcp: [{match: [{port: 9090}], route: [{destination: {host: store.default.svc.cluster.local}}]}]
"""


def answer_of(address: str, port: int) -> bytes:
    """What the store says to one question; nothing from a connection that is closed."""
    with socket.create_connection((address, port), timeout=10) as connection:
        try:
            connection.sendall(b"RATINGS 0\n")
            return connection.recv(4096)
        except ConnectionResetError:
            return b""


def test_a_tcp_connection_through_the_gateway_is_closed_at_the_gateway(mesh: Mesh) -> None:
    mesh.write("tcp-way-in.yaml", TCP_WAY_IN)
    mesh.wait(lambda: can_connect("127.0.0.1", 9090), "the gateway's TCP port")
    assert b"Reviewer1" in answer_of("127.0.0.1", 9090)
    mesh.write("front-door.yaml", FRONT_DOOR.replace('"productpage"', '"store"') % '&& context.protocol == "tcp"')
    mesh.wait(lambda: in_force(mesh, "close-door"), "the rule")
    name = r"^ext_authz\.mixer\.denied$"
    before, reached = sum(mesh.stats("ingressgateway", name).values()), mesh.stats("store-v1", name)
    assert answer_of("127.0.0.1", 9090) == b""
    assert sum(mesh.stats("ingressgateway", name).values()) == before + 1
    assert mesh.stats("store-v1", name) == reached, "the store's own sidecar was not asked"
    take_back(mesh, "front-door.yaml", "close-door")
    assert b"Reviewer1" in answer_of("127.0.0.1", 9090)


def can_connect(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_rule_of_another_namespace_does_not_concern_these_workloads(mesh: Mesh) -> None:
    text = FRONT_DOOR.replace("namespace: default", "namespace: elsewhere") % ""
    mesh.write("front-door.yaml", text)
    mesh.wait_applied("rule", "elsewhere", "close-door")
    assert mesh.http.get(f"{mesh.gateway}/productpage").status_code == 200


def test_a_rule_of_the_root_namespace_concerns_everybody(mesh: Mesh) -> None:
    text = FRONT_DOOR.replace("namespace: default", "namespace: istio-system") % ""
    mesh.write("front-door.yaml", text)
    mesh.wait_applied("rule", "istio-system", "close-door")
    assert mesh.http.get(f"{mesh.gateway}/productpage").text == DENIED.replace("default", "istio-system")


BROKEN = [
    ('match: ""', 'match: destination.service == "x"', "rule", "unknown attribute destination.service"),
    ("compiledAdapter: denier", "compiledAdapter: deniar", "handler", "there is no adapter 'deniar'"),
    ("code: 7", "code: 77", "handler", "77 is no status code"),
]


@pytest.mark.parametrize(("old", "new", "kind", "said"), BROKEN)
def test_what_only_mixer_sees_comes_back_with_the_objects_name(
    mesh: Mesh, anybody: Reader, old: str, new: str, kind: str, said: str
) -> None:
    text = (FRONT_DOOR % "").replace(
        'match: context.reporter.kind == "outbound" && destination.service.name == "productpage"', 'match: ""'
    )
    assert old in text
    mesh.write("front-door.yaml", text.replace(old, new))
    name = {"rule": "close-door", "handler": "front-door"}[kind]

    def told() -> bool:
        found = mesh.object(kind, "default", name)
        report = (found or {}).get("reports", {}).get("mixer", {})
        return any(said in problem["text"] for problem in report.get("problems", ()))

    mesh.wait(told, f"the problem of {kind} {name}")
    assert anybody.page().status_code == 200, "a rule that is wrong denies nobody"


# In the kinds of before Istio 1.1, in CEL, of calls whose API an HTTPAPISpec describes.
BY_KEY = """\
apiVersion: config.istio.io/v1alpha2
kind: denier
metadata: {name: keys, namespace: default}
spec: {status: {code: 7, message: this key is closed}}
---
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: {name: ask-keys, namespace: default}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: by-key, namespace: default, annotations: {policy.istio.io/lang: CEL}}
spec:
  match: "api.operation == 'page' && context.reporter.kind == 'inbound' && request.api_key in ['closed', 'lost']"
  actions: [{handler: keys.denier, instances: [ask-keys.checknothing]}]
---
apiVersion: config.istio.io/v1alpha2
kind: prometheus
metadata: {name: keys, namespace: default}
spec: {metrics: [{name: keys, instance_name: keys.metric.default, kind: COUNTER, label_names: [key, code]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: {name: keys, namespace: default}
spec: {value: "1", dimensions: {key: request.api_key | "none", code: response.code | 0}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: count-keys, namespace: default}
spec:
  match: api.operation == "page" && context.reporter.kind == "inbound"
  actions: [{handler: keys.prometheus, instances: [keys.metric]}]
---
apiVersion: config.istio.io/v1alpha2
kind: HTTPAPISpec
metadata: {name: pages, namespace: default}
spec:
  patterns:
  - attributes: {attributes: {api.operation: {stringValue: page}}}
    httpMethod: GET
    uriTemplate: /{page=productpage}
---
apiVersion: config.istio.io/v1alpha2
kind: HTTPAPISpecBinding
metadata: {name: pages, namespace: default}
spec: {services: [{name: productpage}], apiSpecs: [{name: pages}]}
"""


def test_a_key_decides_and_is_in_the_report(mesh: Mesh) -> None:
    """Envoy's log has not the header: what the Check's answer says of the key comes back with the log."""
    mesh.write("by-key.yaml", BY_KEY)
    mesh.wait(lambda: in_force(mesh, "by-key") and in_force(mesh, "count-keys"), "the rules")

    def answered(key: str) -> int:
        return mesh.http.get(f"{mesh.gateway}/productpage", headers={"x-api-key": key}).status_code

    mesh.wait(lambda: answered("lost") == 403, "the key to be closed")
    assert answered("closed") == 403
    assert answered("open") == 200
    assert mesh.http.get(f"{mesh.gateway}/productpage?key=closed").status_code == 403
    told = ('istio_keys{code="403",key="closed"} 2', 'istio_keys{code="200",key="open"} 1')
    mesh.wait(lambda: all(each in mesh.mixer_metrics() for each in told), "the reports")
    take_back(mesh, "by-key.yaml", "by-key")
    assert answered("closed") == 200
