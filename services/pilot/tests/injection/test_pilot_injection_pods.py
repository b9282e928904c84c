"""Whole pods: twice is once, a patch leads there, the user's own is kept, and what a pod may be is any."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flotilla_pilot.injection.context import Injector, MeshFacts
from flotilla_pilot.injection.documents import Skipped, inject_documents, read_documents
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.inject import inject
from flotilla_pilot.injection.patch import json_patch
from flotilla_pilot.injection.settings import InjectionConfig, InjectionValues
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig
from flotilla_shared.testing import patches

Json = dict[str, Any]
PLAIN = Injector()
NATIVE = Injector(native=True)


def pod(annotations: Json | None = None, labels: Json | None = None, **spec: Any) -> Json:
    metadata: Json = {"name": "web-1", "namespace": "shop"}
    if annotations is not None:
        metadata["annotations"] = annotations
    if labels is not None:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [app()], **spec}}


def app(name: str = "web", **more: Any) -> Json:
    return {"name": name, "image": "example/web:1", "ports": [{"name": "http", "containerPort": 8080}], **more}


READY = {"readinessProbe": {"httpGet": {"port": "http", "path": "/ready"}}}
SCRAPED = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/m"}
PODS: dict[str, Json] = {
    "plain": pod(),
    "probes and metrics": pod(SCRAPED, containers=[app(**READY), app("two", livenessProbe={"tcpSocket": {"port": 1}})]),
    "no annotations, no labels": pod(None, None),
    "with init containers": pod(initContainers=[app("setup"), app("helper", restartPolicy="Always", **READY)]),
    "with volumes": pod(volumes=[{"name": "data", "emptyDir": {}}], imagePullSecrets=[{"name": "s"}]),
    "transparent": pod({"sidecar.istio.io/interceptionMode": "TPROXY"}),
    "no interception": pod({"sidecar.istio.io/interceptionMode": "NONE"}),
    "native by annotation": pod({"sidecar.istio.io/nativeSidecar": "true"}),
    "held": pod({"proxy.istio.io/config": "holdApplicationUntilProxyStarts: true"}),
    "its own proxy": pod(
        containers=[app(), {"name": "istio-proxy", "image": "auto", "env": [{"name": "A", "value": "b"}]}]
    ),
    "its own image": pod(containers=[{"name": "istio-proxy", "image": "mine/proxy:2"}, app()]),
    "its own init": pod(initContainers=[{"name": "istio-init", "image": "auto", "args": ["interception", "-n"]}]),
    "a gateway": pod({"inject.istio.io/templates": "gateway"}, containers=[{"name": "istio-proxy", "image": "auto"}]),
    "without an Envoy": pod(
        {"inject.istio.io/templates": "grpc-agent"}, containers=[app(env=[{"name": "A", "value": "b"}]), app("two")]
    ),
    "no status port": pod({"status.sidecar.istio.io/port": "0"}, containers=[app(**READY)]),
    "another status port": pod({"status.sidecar.istio.io/port": "1234"}, containers=[app(**READY)]),
}


def twice(injector: Injector, given_pod: Json) -> tuple[Json, Json]:
    once = inject(injector, given_pod, "shop")
    return once, inject(injector, once, "shop")


@pytest.mark.parametrize("injector", [PLAIN, NATIVE], ids=["plain", "native"])
@pytest.mark.parametrize("name", PODS)
def test_a_second_time_changes_nothing(name: str, injector: Injector) -> None:
    given_pod = deepcopy(PODS[name])
    once, again = twice(injector, given_pod)
    assert json_patch(once, again) == []
    assert given_pod == PODS[name], "the pod that was given has changed"


@pytest.mark.parametrize("name", PODS)
def test_the_patch_leads_there(name: str) -> None:
    injected = inject(PLAIN, PODS[name], "shop")
    assert patches.json_patch(PODS[name], json_patch(PODS[name], injected)) == injected


def test_injecting_anew_takes_over_what_changed() -> None:
    """An upgrade: another image and other settings, and nothing left of the old ones."""
    old = inject(PLAIN, PODS["probes and metrics"], "shop")
    values = InjectionValues({"global": {"hub": "example", "tag": "2", "imagePullSecrets": ["key"]}})
    new = Injector(values=values, revision="canary")
    assert inject(new, old, "shop") == inject(new, PODS["probes and metrics"], "shop")


def proxy_of(found: Json, place: str = "containers") -> Json:
    return next(each for each in found["spec"][place] if each["name"] == "istio-proxy")


def environment(container: Json) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}


def names(found: Json, place: str) -> list[str]:
    return [each["name"] for each in found["spec"].get(place, ())]


ORDERS = (
    ("plain", PLAIN, ["istio-init"], ["web", "istio-proxy"]),
    ("plain", NATIVE, ["istio-init", "istio-proxy"], ["web"]),
    ("with init containers", PLAIN, ["setup", "helper", "istio-init"], ["web", "istio-proxy"]),
    ("with init containers", NATIVE, ["istio-init", "istio-proxy", "setup", "helper"], ["web"]),
    ("held", PLAIN, ["istio-init"], ["istio-proxy", "web"]),
    ("no interception", PLAIN, [], ["web", "istio-proxy"]),
    ("native by annotation", PLAIN, ["istio-init", "istio-proxy"], ["web"]),
    ("its own image", PLAIN, ["istio-init"], ["web", "istio-proxy"]),
    ("a gateway", PLAIN, [], ["istio-proxy"]),
    ("without an Envoy", PLAIN, [], ["istio-proxy", "web", "two"]),
    ("without an Envoy", NATIVE, ["istio-proxy"], ["web", "two"]),
)


@pytest.mark.parametrize(("name", "injector", "init", "containers"), ORDERS)
def test_in_which_order(name: str, injector: Injector, init: list[str], containers: list[str]) -> None:
    found = inject(injector, PODS[name], "shop")
    assert names(found, "initContainers") == init
    assert names(found, "containers") == containers


def test_what_the_agent_is_told() -> None:
    mesh = MeshFacts("example.org", ProxyConfig(discovery_address="pilot.mesh:1"))
    values = InjectionValues({"global": {"istioNamespace": "mesh", "network": "east", "meshID": "m"}})
    found = inject(Injector(values=values, mesh=mesh, revision="r"), PODS["probes and metrics"], "shop")
    told = environment(proxy_of(found))
    wanted = {
        "TRUST_DOMAIN": "example.org",
        "ROOT_NAMESPACE": "mesh",
        "CA_ADDR": "istio-citadel.mesh.svc:8060",
        "DISCOVERY_ADDRESS": "pilot.mesh:1",
        "REVISION": "r",
        "ISTIO_META_WORKLOAD_NAME": "web-1",
        "ISTIO_META_OWNER": "kubernetes://apis/v1/namespaces/shop/pods/web-1",
        "ISTIO_META_INTERCEPTION_MODE": "REDIRECT",
        "ISTIO_META_NETWORK": "east",
        "ISTIO_META_MESH_ID": "m",
        "ISTIO_META_CLUSTER_ID": "Kubernetes",
        "ISTIO_META_APP_CONTAINERS": "web,two",
        "PROXY_CONFIG": '{"discoveryAddress":"pilot.mesh:1"}',
    }
    assert {name: told[name] for name in wanted} == wanted
    assert json.loads(told["ISTIO_KUBE_APP_PROBERS"]).keys() == {"/app-health/web/readyz", "/app-health/two/livez"}
    assert json.loads(told["ISTIO_PROMETHEUS_ANNOTATIONS"]) == {"scrape": "true", "port": "8080", "path": "/m"}
    assert found["metadata"]["labels"] == {
        "service.istio.io/canonical-name": "web-1",
        "service.istio.io/canonical-revision": "latest",
        "security.istio.io/tlsMode": "istio",
        "topology.istio.io/network": "east",
    }


def test_the_webhooks_url_adds_variables() -> None:
    found = inject(PLAIN, pod(), "shop", environment={"ISTIO_META_CLUSTER_ID": "east"})
    assert environment(proxy_of(found))["ISTIO_META_CLUSTER_ID"] == "east"


def test_dns_is_not_led_to_a_proxy_that_answers_none() -> None:
    config = pod({"proxy.istio.io/config": "proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true', INVALID_DROP: 'true'}"})
    found = inject(PLAIN, config, "shop")
    init = found["spec"]["initContainers"][0]
    assert environment(init) == {"INVALID_DROP": "true"}
    assert "ISTIO_META_DNS_CAPTURE" not in environment(proxy_of(found))


RIGHTS = (
    ("plain", "containers", 1337, True, {"drop": ["ALL"]}),
    ("transparent", "containers", 0, False, {"add": ["NET_ADMIN"], "drop": ["ALL"]}),
    ("a gateway", "containers", 1337, True, {"drop": ["ALL"]}),
    ("without an Envoy", "containers", 1337, True, {"drop": ["ALL"]}),
)


@pytest.mark.parametrize(("name", "place", "user", "non_root", "capabilities"), RIGHTS)
def test_rights(name: str, place: str, user: int, non_root: bool, capabilities: Json) -> None:
    rights = proxy_of(inject(PLAIN, PODS[name], "shop"), place)["securityContext"]
    assert (rights["runAsUser"], rights["runAsNonRoot"], rights["capabilities"]) == (user, non_root, capabilities)
    assert rights["readOnlyRootFilesystem"]
    assert not rights["privileged"]


def test_an_application_without_an_envoy_finds_the_agents_files() -> None:
    found = inject(PLAIN, PODS["without an Envoy"], "shop")
    proxy = proxy_of(found)
    assert proxy["args"][:2] == ["proxy", "grpc"]
    assert "ports" not in proxy, "no Envoy is there to be scraped"
    assert "wait" in proxy["lifecycle"]["postStart"]["exec"]["command"]
    for name in ("web", "two"):
        container = next(each for each in found["spec"]["containers"] if each["name"] == name)
        told = environment(container)
        assert told["GRPC_XDS_BOOTSTRAP"] == "/etc/istio/proxy/grpc/grpc-bootstrap.json"
        mount = {"name": "istio-envoy", "mountPath": "/etc/istio/proxy", "readOnly": True}
        assert mount in container["volumeMounts"]
    assert environment(found["spec"]["containers"][1])["A"] == "b"
    assert found["spec"]["securityContext"] == {"fsGroup": 1337}
    assert json.loads(found["metadata"]["annotations"]["sidecar.istio.io/status"])["containers"] == ["istio-proxy"]
    assert found["metadata"]["labels"]["security.istio.io/tlsMode"] == "istio"


def test_what_a_user_says_of_grpc_and_of_groups_stays() -> None:
    own = {"name": "GRPC_XDS_BOOTSTRAP", "value": "/mine"}
    given_pod = pod(
        {"inject.istio.io/templates": "grpc-agent"}, containers=[app(env=[own])], securityContext={"fsGroup": 5}
    )
    found = inject(PLAIN, given_pod, "shop")
    assert environment(found["spec"]["containers"][1])["GRPC_XDS_BOOTSTRAP"] == "/mine"
    assert found["spec"]["securityContext"]["fsGroup"] == 5


def test_the_users_own_proxy_counts() -> None:
    own = {
        "name": "istio-proxy",
        "image": "auto",
        "resources": {"limits": {"memory": "2Gi"}},
        "securityContext": {"runAsUser": 2000},
        "env": [{"name": "TRUST_DOMAIN", "value": "mine"}],
    }
    found = inject(PLAIN, pod(containers=[app(), own]), "shop")
    proxy = proxy_of(found)
    assert proxy["image"] == "localhost/flotilla/proxy:latest"
    assert proxy["resources"]["limits"] == {"cpu": "2000m", "memory": "2Gi"}
    assert environment(proxy)["TRUST_DOMAIN"] == "mine"
    # Its user is whose calls are not captured.
    arguments = found["spec"]["initContainers"][0]["args"]
    assert arguments[arguments.index("-u") + 1] == "2000"
    kept = json.loads(found["metadata"]["annotations"]["proxy.istio.io/overrides"])
    assert kept == {"containers": [{key: value for key, value in own.items() if key != "image"}]}


POLICIES = (
    ("Always", "Never", "Never"),
    ("IfNotPresent", "Never", "IfNotPresent"),
    ("Always", "", "Always"),
    (None, "Never", "Never"),
)


@pytest.mark.parametrize(("written", "values", "policy"), POLICIES)
def test_the_pull_policy_of_an_automatic_image(written: str | None, values: str, policy: str) -> None:
    """The API server writes Always before it asks, as `auto` has no tag."""
    own = {"name": "istio-proxy", "image": "auto"} | ({"imagePullPolicy": written} if written else {})
    injector = Injector(values=InjectionValues({"global": {"imagePullPolicy": values}}))
    once, again = twice(injector, pod(containers=[app(), own]))
    assert proxy_of(once)["imagePullPolicy"] == policy
    assert once == again


def test_a_refusal_names_the_annotation() -> None:
    with pytest.raises(InjectionRefused, match=r"annotation inject.istio.io/templates names the template 'none'"):
        inject(PLAIN, pod({"inject.istio.io/templates": "none"}), "shop")


# any pod

label = st.text("abcxyz./-", min_size=1, max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["containers", "initContainers", "volumes", "imagePullSecrets", "securityContext", "hostNetwork", "x"]
)
strange_pods = st.fixed_dictionaries(
    {},
    optional={
        "metadata": anything
        | st.fixed_dictionaries(
            {}, optional={"labels": anything, "annotations": st.dictionaries(label, st.text(max_size=5))}
        ),
        "spec": anything
        | st.dictionaries(
            fields, anything | st.lists(st.dictionaries(st.sampled_from(["name", "env", "ports"]), anything))
        ),
    },
)


@given(st.sampled_from([PLAIN, Injector(config=InjectionConfig(default_templates=("grpc-agent",)))]), strange_pods)
def test_any_pod_is_injected_or_refused(injector: Injector, strange: Json) -> None:
    """The API server has checked the pod, but nobody has checked that it was the API server."""
    try:
        found = inject(injector, strange, "shop")
    except InjectionRefused:
        return
    assert patches.json_patch(strange, json_patch(strange, found)) == found


@given(anything.filter(lambda value: isinstance(value, dict)), anything.filter(lambda value: isinstance(value, dict)))
def test_a_patch_leads_from_anything_to_anything(before: Json, after: Json) -> None:
    assert patches.json_patch(before, json_patch(before, after)) == after


# files

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: example/web:1}]
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"


def test_a_file_of_objects() -> None:
    found = list(read_documents(inject_documents(PLAIN, f"{DEPLOYMENT}---\n{SERVICE}---\n---\n")))
    assert [each["kind"] for each in found] == ["Deployment", "Service"]
    assert found[1] == yaml.safe_load(SERVICE)
    template = found[0]["spec"]["template"]
    assert names(template, "containers") == ["web", "istio-proxy"]
    assert (
        environment(proxy_of(template))["ISTIO_META_OWNER"]
        == "kubernetes://apis/apps/v1/namespaces/shop/deployments/web"
    )


def test_a_file_twice() -> None:
    once = inject_documents(PLAIN, DEPLOYMENT)
    assert inject_documents(PLAIN, once) == once


def test_what_is_skipped_is_told() -> None:
    skipped: list[Skipped] = []
    text = DEPLOYMENT.replace("containers:", "hostNetwork: true\n      containers:")
    assert list(read_documents(inject_documents(PLAIN, text, skipped.append))) == list(read_documents(text))
    assert skipped == [Skipped('Deployment "shop/web"', "it has host networking")]


def test_a_list_within_a_file() -> None:
    wrapped = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(DEPLOYMENT), yaml.safe_load(SERVICE)]}
    found = yaml.safe_load(inject_documents(PLAIN, json.dumps(wrapped)))
    assert names(found["items"][0]["spec"]["template"], "containers") == ["web", "istio-proxy"]
    assert found["items"][1] == yaml.safe_load(SERVICE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "it is not YAML"),
        ("- a", "a document holds a list where an object must stand"),
        (
            DEPLOYMENT.replace(
                "metadata: {labels", "metadata: {annotations: {status.sidecar.istio.io/port: x}, labels"
            ),
            "Deployment \"shop/web\": annotation status.sidecar.istio.io/port is 'x'",
        ),
    ],
)
def test_a_file_that_cannot_be(text: str, words: str) -> None:
    with pytest.raises(InjectionRefused) as refused:
        inject_documents(PLAIN, text)
    assert words in str(refused.value)


def test_policy_disabled_leaves_all_as_it_is(tmp_path: Path) -> None:
    off = Injector(config=InjectionConfig(policy="disabled"))
    assert list(read_documents(inject_documents(off, DEPLOYMENT))) == list(read_documents(DEPLOYMENT))
