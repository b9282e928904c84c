"""Bookinfo for Kubernetes: ordinary manifests that know of no mesh, and Istio objects that fit them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from flotilla_bookinfo.__main__ import SERVICES, STORE
from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_galley.validation.validate import validate_object

FOLDER = Path(__file__).parents[1] / "kubernetes"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
ISTIO = sorted((FOLDER / "istio").glob("*.yaml"))
KUBERNETES = "1.36"
# What belongs to a mesh, and so must be in no application's manifest.
MESH = ("istio", "sidecar", "envoy", "mixer", "flotilla.dev", "http_proxy")


def objects(*files: Path) -> list[dict[str, Any]]:
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in objects(*MANIFESTS) if each["kind"] == kind}


def template(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]
    return found


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_manifests_are_kubernetes_and_know_of_no_mesh(file: Path) -> None:
    for each in objects(file):
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
        assert "namespace" not in each["metadata"], "they go where the user says"
    text = "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("#")).lower()
    assert [word for word in MESH if word in text] == []


def test_every_application_has_a_service_an_account_and_its_versions() -> None:
    names = {*SERVICES, STORE}
    assert set(of_kind("Service")) == names
    assert set(of_kind("ServiceAccount")) == {f"bookinfo-{name}" for name in (*names, "visitor")}
    reviews = {f"reviews-{version}" for version in ("v1", "v2", "v3")}
    assert set(of_kind("Deployment")) == {f"{name}-v1" for name in (*names, "visitor")} | reviews


def test_pods_are_selected_run_their_application_and_are_probed_where_they_listen() -> None:
    services = of_kind("Service")
    for name, deployment in of_kind("Deployment").items():
        pod = template(deployment)
        labels = pod["metadata"]["labels"]
        application = labels["app"]
        assert name == f"{application}-{labels['version']}"
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert pod["spec"]["serviceAccountName"] == f"bookinfo-{application}"
        (container,) = pod["spec"]["containers"]
        assert {"name": "VERSION", "value": labels["version"]} in container["env"]
        if application == "visitor":
            continue
        (port,) = services[application]["spec"]["ports"]
        assert services[application]["spec"]["selector"] == {"app": application}
        assert container["command"][3:] == [application, "--address", "0.0.0.0", "--port", str(port["port"])]
        assert [each["containerPort"] for each in container["ports"]] == [port["port"]]
        probe = container["readinessProbe"]
        assert probe.get("httpGet", probe.get("tcpSocket"))["port"] == port["port"]


def test_ratings_finds_the_store() -> None:
    (container,) = template(of_kind("Deployment")["ratings-v1"])["spec"]["containers"]
    assert {"name": "STORE", "value": "store:9090"} in container["env"]
    assert of_kind("Service")["store"]["spec"]["ports"] == [{"name": "tcp", "port": 9090}]


def test_pods_may_be_injected() -> None:
    """A pod-wide runAsNonRoot would keep the init container that sets up interception from starting."""
    for deployment in of_kind("Deployment").values():
        assert "runAsNonRoot" not in template(deployment)["spec"]["securityContext"]
        (container,) = template(deployment)["spec"]["containers"]
        assert container["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"]["runAsUser"] != 1337, "what the proxy sends is not led through the proxy"


def sources(file: Path) -> list[SourceObject]:
    found, problems = read_objects(file.name, file.read_text())
    assert problems == []
    return found


@pytest.mark.parametrize("file", ISTIO, ids=lambda file: file.stem)
def test_istio_objects_are_valid_for_galley(file: Path) -> None:
    for source in sources(file):
        assert [str(problem) for problem in validate_object(source).problems] == []


def destinations(file: Path) -> set[tuple[str, str]]:
    routes = [route for each in objects(file) for http in each["spec"].get("http", []) for route in http["route"]]
    return {(route["destination"]["host"], route["destination"].get("subset", "")) for route in routes}


def test_routes_lead_to_services_and_to_subsets_that_have_pods() -> None:
    rules = {
        each["spec"]["host"]: each["spec"]["subsets"] for each in objects(FOLDER / "istio" / "destination-rules.yaml")
    }
    assert set(rules) == set(of_kind("Service"))
    pods = [template(each)["metadata"]["labels"] for each in of_kind("Deployment").values()]
    for host, subsets in rules.items():
        for subset in subsets:
            assert any({"app": host, **subset["labels"]}.items() <= labels.items() for labels in pods)
    known = {(host, subset["name"]) for host, subsets in rules.items() for subset in subsets}
    for file in ISTIO:
        for host, subset in destinations(file):
            assert (host, subset) in known if subset else host in rules


def test_the_same_play_as_on_one_machine() -> None:
    """What the deny rules do is what the files of `local/play` do."""
    for name in ("deny-ratings.yaml", "deny-store.yaml"):
        local = objects(FOLDER.parent / "local" / "play" / name)
        assert [each["spec"] for each in objects(FOLDER / "istio" / name)] == [each["spec"] for each in local]
