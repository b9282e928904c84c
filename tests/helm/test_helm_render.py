"""Every value set renders, with both helms alike, to objects that Kubernetes' own schemas take."""

from __future__ import annotations

import os
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation.validate import check_spec, decode, validate_object
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model import kinds
from helm.generate.files import kinds_yaml
from tests.helm import programs
from tests.helm.render import CHART, KUBERNETES, SETS, Object, named, of_kind, render, run, value_sets

GOLDEN = Path(__file__).parent / "golden"
ISTIO = set(yaml.safe_load(kinds_yaml()))


def identity(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


@pytest.mark.parametrize("name", value_sets())
def test_lint_has_nothing_to_say(helm: Path, name: str) -> None:
    said = run(helm, "lint", str(CHART), "--strict", "--kube-version", KUBERNETES, "-f", str(SETS / f"{name}.yaml"))
    assert "[WARNING]" not in said
    assert "[ERROR]" not in said


@pytest.mark.parametrize("name", value_sets())
def test_both_helms_render_the_same(helm4: Path, name: str) -> None:
    try:
        helm3 = programs.helm(3)
    except programs.NoHelm as error:
        pytest.skip(str(error))
    assert sorted(render(helm3, name), key=identity) == sorted(render(helm4, name), key=identity)


@pytest.mark.parametrize("name", value_sets())
def test_kubernetes_takes_every_object(helm4: Path, name: str) -> None:
    for each in render(helm4, name):
        if each["apiVersion"].partition("/")[0] not in ISTIO:
            kubernetes_validate.validate(each, KUBERNETES.rpartition(".")[0], strict=True)


@pytest.mark.parametrize("name", value_sets())
def test_every_object_is_in_the_meshs_namespace_once_and_says_whose_it_is(helm4: Path, name: str) -> None:
    objects = render(helm4, name, namespace="mesh")
    keys = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(keys) == len(set(keys))
    for each in objects:
        assert each["metadata"].get("namespace", "mesh") == "mesh"
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "flotilla", each["metadata"]["name"]
    assert "istio-system" not in yaml.safe_dump(objects)


@pytest.mark.parametrize("name", value_sets())
def test_summary_is_the_golden_one(helm4: Path, name: str) -> None:
    """Kind and name of every object: what an upgrade would make or remove."""
    text = "".join(sorted(f"{each['kind']} {each['metadata']['name']}\n" for each in render(helm4, name)))
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("FLOTILLA_WRITE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text, (
        "FLOTILLA_WRITE_GOLDEN=1 python -m pytest tests/helm/test_helm_render.py writes it anew"
    )


def test_objects_of_the_cluster_are_told_apart_by_the_namespace(helm4: Path) -> None:
    """Two meshes: whatever has no namespace has another name, but for the webhooks, which are told apart by the revision."""

    def of_the_cluster(namespace: str, revision: str) -> set[tuple[str, str]]:
        objects = render(helm4, values={"global.revision": revision, "mixer.replicas": 2}, namespace=namespace)
        return {(each["kind"], each["metadata"]["name"]) for each in objects if "namespace" not in each["metadata"]}

    assert of_the_cluster("one", "") & of_the_cluster("two", "blue") == set()


def test_standard_metrics_are_valid_for_galley(helm4: Path) -> None:
    objects = [each for each in render(helm4, namespace="mesh") if each["apiVersion"].partition("/")[0] in ISTIO]
    assert len(of_kind(objects, "instance")) == 8
    assert len(of_kind(objects, "rule")) == 4
    sources, unreadable = read_objects("telemetry.yaml", yaml.safe_dump_all(objects))
    assert unreadable == []
    assert [problem for source in sources for problem in validate_object(source).problems] == []
    assert len(sources) == len(objects)
    handler = named(objects, "handler", "prometheus")
    asked = {metric["instance_name"] for metric in handler["spec"]["params"]["metrics"]}
    assert asked == {f"{each['metadata']['name']}.instance.mesh" for each in of_kind(objects, "instance")}


@pytest.mark.parametrize("name", value_sets())
def test_mesh_configuration_is_valid_for_galley(helm4: Path, name: str) -> None:
    (found,) = (each for each in render(helm4, name) if each["kind"] == "ConfigMap" and "mesh" in each["data"])
    spec = MeshConfig()
    assert decode(spec, yaml.safe_load(found["data"]["mesh"])) == []
    assert check_spec(kinds.MESH_CONFIG, spec, "istio-system") == []
    assert spec.root_namespace == "istio-system"
