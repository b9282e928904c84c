"""Galley over a true API server, with the rights that the chart gives it and no others: CRDs, admission, caBundle, status."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.kube.cluster.client import Cluster
from tests.kube.cluster.errors import ClusterError
from tests.kube.cluster.layout import NODE_ADDRESS
from tests.kube.processes import CHART, ROOT, Mesh, Service, until

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]

CITADEL = "127.8.1.1"
ADMISSION_PORT = 9443
CONFIGURATION = "validatingwebhookconfiguration/istio-galley"
GOOD = {"hosts": ["a.example.com"], "http": [{"route": [{"destination": {"host": "b"}}]}]}
# What no schema can say, so that it is Galley's webhook that refuses it.
BAD = {"hosts": ["a"], "http": [{"match": [{"uri": {"regex": "["}}], "route": [{"destination": {"host": "b"}}]}]}
WRONG = "'[' is no regular expression"


def route(spec: dict[str, Any], name: str = "a", version: str = "v1") -> dict[str, Any]:
    api_version = f"networking.istio.io/{version}"
    return {"apiVersion": api_version, "kind": "VirtualService", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def mesh(cluster: Cluster, alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    name = f"mesh-{uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "helm" / "flotilla-crds" / "templates"))
    made = Mesh(cluster, name, tmp_path_factory.mktemp("mesh"))
    made.grant()
    cluster.apply(*_service(), *_webhook(cluster, name), namespace=name)
    mesh_configuration = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"}}
    cluster.apply({**mesh_configuration, "data": {"mesh": f"rootNamespace: {name}\n"}}, namespace=name)
    yield made
    cluster.kubectl("delete", CONFIGURATION)
    made.revoke()
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _service() -> list[dict[str, Any]]:
    """The Service that the API server calls, with the node itself behind it."""
    ports = [{"name": "https-validation", "port": 443, "targetPort": ADMISSION_PORT}]
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "istio-galley", "labels": {"kubernetes.io/service-name": "istio-galley"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
        "ports": [{"name": "https-validation", "port": ADMISSION_PORT}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "istio-galley"}, "spec": {"ports": ports}}
    return [service, slice_]


def _webhook(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    text = cluster.helm("template", "flotilla", str(CHART), "--namespace", namespace)
    return [item for item in yaml.safe_load_all(text) if item and item["kind"] == "ValidatingWebhookConfiguration"]


@pytest.fixture(scope="module")
def galley(cluster: Cluster, mesh: Mesh) -> Iterator[Service]:
    with mesh.service("citadel", "citadel", CITADEL) as citadel:
        until(citadel.ready, "readiness of Citadel")
        root = mesh.folder / "root.pem"
        root.write_text(until(lambda: _root(cluster, mesh.namespace), "the mesh's root"))
        more = {
            "citadel_address": f"{CITADEL}:8060",
            "root_cert_file": str(root),
            "token_file": str(mesh.token("istio-galley-service-account", mesh.namespace, "--audience=istio-ca")),
            "last_good_dir": str(mesh.folder / "last-good"),
            "introspection_port": "0",
        }
        with mesh.service("galley", "galley-0", NODE_ADDRESS, **more) as found:
            until(found.ready, f"readiness of Galley: {found.conditions()}")
            until(lambda: all(_bundles(cluster)), "the caBundle")
            yield found


def _root(cluster: Cluster, namespace: str) -> str:
    try:
        return str(cluster.get("configmap/istio-ca-root-cert", namespace)["data"]["root-cert.pem"])
    except ClusterError:
        return ""


def _bundles(cluster: Cluster) -> list[str]:
    return [each["clientConfig"].get("caBundle", "") for each in cluster.get(CONFIGURATION, "")["webhooks"]]


def condition(cluster: Cluster, namespace: str, name: str = "a", kind: str = "PassedValidation") -> dict[str, Any]:
    status = cluster.get(f"virtualservice/{name}", namespace).get("status", {})
    return next((each for each in status.get("conditions", []) if each["type"] == kind), {})


def metric(galley: Service, line: str) -> float:
    found = [each for each in galley.page("metrics").splitlines() if each.startswith(line)]
    return sum(float(each.rsplit(" ", 1)[1]) for each in found)


def test_every_kind_is_watched_and_nothing_is_forbidden(galley: Service) -> None:
    assert metric(galley, "flotilla_kube_synced{") == galley.page("metrics").count("\nflotilla_kube_synced{") > 30
    assert 'reason="Forbidden"' not in galley.page("metrics")


def test_what_is_good_is_stored_and_gets_its_status(cluster: Cluster, galley: Service, namespace: str) -> None:
    cluster.apply(route(GOOD), namespace=namespace)
    cluster.wait("virtualservice/a", "condition=PassedValidation", namespace)
    found = condition(cluster, namespace)
    assert (found["reason"], found["observedGeneration"]) == ("Valid", 1)


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_what_is_bad_is_refused_with_field_and_reason(
    cluster: Cluster, galley: Service, namespace: str, version: str
) -> None:
    given = json.dumps(route(BAD, version=version))
    for arguments in ((), ("--dry-run=server",)):
        with pytest.raises(ClusterError, match=re.escape(f"spec.http[0].match[0].uri.regex: {WRONG}")):
            cluster.kubectl("apply", *arguments, "-n", namespace, "-f", "-", given=given)


def test_status_and_bookkeeping_cause_no_reading(cluster: Cluster, galley: Service, namespace: str) -> None:
    def written() -> float:
        return metric(galley, 'galley_status_writes_total{result="written"}')

    before = written()
    cluster.apply(route(GOOD), namespace=namespace)
    until(lambda: written() > before, "the status of a to be counted")  # which comes a moment after it can be seen
    cluster.kubectl("annotate", "virtualservice/a", "-n", namespace, "argocd.argoproj.io/tracking-id=t")
    cluster.apply(route(GOOD, "b"), namespace=namespace)  # what follows from the annotation comes before its status
    cluster.wait("virtualservice/b", "condition=PassedValidation", namespace)
    until(lambda: written() > before + 1, "the status of b to be counted")
    assert written() == before + 2


def test_while_the_webhook_is_away_the_last_good_version_stays(
    cluster: Cluster, mesh: Mesh, galley: Service, namespace: str
) -> None:
    cluster.apply(route(GOOD), namespace=namespace)
    cluster.wait("virtualservice/a", "condition=PassedValidation", namespace)
    cluster.kubectl("delete", CONFIGURATION)
    try:
        cluster.apply(route(BAD), namespace=namespace)
        cluster.wait("virtualservice/a", "condition=PassedValidation=False", namespace)
        found = condition(cluster, namespace)
        assert (found["reason"], found["observedGeneration"]) == ("LastGood", 2)
        assert WRONG in found["message"]
    finally:
        cluster.apply(*_webhook(cluster, mesh.namespace), namespace=mesh.namespace)
    until(lambda: all(_bundles(cluster)), "the caBundle of the configuration that came back")
    cluster.kubectl("label", "virtualservice/a", "-n", namespace, "still=editable")
    cluster.kubectl("delete", "virtualservice/a", "-n", namespace)


def test_a_caBundle_that_somebody_edits_is_put_back(cluster: Cluster, galley: Service) -> None:
    before = _bundles(cluster)
    edit = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    cluster.kubectl("patch", CONFIGURATION, "--type=json", "-p", json.dumps(edit))
    until(lambda: _bundles(cluster) == before, "the caBundle put back")


def test_a_definition_that_goes_and_comes_back(cluster: Cluster, galley: Service, namespace: str) -> None:
    file = ROOT / "helm" / "flotilla-crds" / "templates" / "templates.config.istio.io.yaml"
    template = {"apiVersion": "config.istio.io/v1alpha2", "kind": "template", "metadata": {"name": "t"}, "spec": {}}
    cluster.kubectl("delete", "-f", str(file))
    try:
        line = 'flotilla_kube_lists_total{resource="templates.config.istio.io"}'
        lists = metric(galley, line)
        assert galley.ready()
    finally:
        cluster.kubectl("apply", "--server-side", "-f", str(file))
    cluster.wait("crd/templates.config.istio.io", "condition=Established")
    until(lambda: metric(galley, line) > lists, "the definition seen again")
    cluster.apply(template, namespace=namespace)
    cluster.wait("template.config.istio.io/t", "condition=PassedValidation", namespace)


def test_an_api_server_that_was_away(cluster: Cluster, galley: Service, namespace: str) -> None:
    cluster.apply(route(GOOD, "before"), namespace=namespace)
    cluster.wait("virtualservice/before", "condition=PassedValidation", namespace)
    cluster.stop("kube-apiserver")
    try:
        until(lambda: metric(galley, 'flotilla_kube_failures_total{reason="Unreachable"') > 0, "it is missed")
        assert galley.ready()
    finally:
        cluster.start("kube-apiserver")
    cluster.apply(route(GOOD, "after"), namespace=namespace)
    cluster.wait("virtualservice/after", "condition=PassedValidation", namespace)
