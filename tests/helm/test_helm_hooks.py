"""What helm runs beside the installation: the pod of `helm test`, and the Job that cleans up after uninstalling."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from flotilla_agent.verify.__main__ import parse
from flotilla_agent.verify.place import Place
from helm.generate.settings import CHART
from tests.helm.render import Object, named, of_kind, render, value_sets
from tests.helm.test_helm_settings import environment

HOOK, WEIGHT, POLICY = "helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"


def hooks(objects: list[Object], event: str) -> list[Object]:
    """In the order in which helm makes them."""
    found = [each for each in objects if each["metadata"].get("annotations", {}).get(HOOK) == event]
    return sorted(found, key=lambda each: int(each["metadata"]["annotations"][WEIGHT]))


@pytest.mark.parametrize("name", value_sets())
def test_the_test_asks_what_is_installed(helm4: Path, name: str) -> None:
    (pod,) = hooks(render(helm4, name), "test")
    assert pod["spec"]["serviceAccountName"] == "default", "the identity of any workload"
    (container,) = pod["spec"]["containers"]
    chosen = parse(container["args"])
    assert chosen.services == ["citadel", "galley", "pilot", *(["mixer"] if name != "minimal" else [])]
    assert chosen.webhooks == ([] if name == "minimal" else ["galley", "pilot"])


def test_the_test_knows_who_it_is_and_where_the_mesh_is(helm4: Path) -> None:
    pod = named(render(helm4, "production", namespace="mesh"), "Pod", "flotilla-test")
    place = Place.of(environment(pod, "verify"), Path("/"))
    assert (place.root_namespace, place.trust_domain) == ("mesh", "example.com")
    assert place.service_account == "spec.serviceAccountName"
    (container,) = pod["spec"]["containers"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert {str(place.root_file.parent), str(place.token_file.parent)} <= mounts


def test_the_cleanup_is_the_last_thing_and_has_what_it_needs_and_no_more(helm4: Path) -> None:
    account, role, binding, job = hooks(render(helm4, "revision"), "post-delete")
    assert [each["kind"] for each in (account, role, binding, job)] == [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Job",
    ]
    assert [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in role["rules"]] == [
        (["namespaces"], None, ["list"]),
        (["configmaps"], ["istio-ca-root-cert"], ["get", "delete"]),
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [each["name"] for each in binding["subjects"]] == [account["metadata"]["name"]]
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert job["spec"]["activeDeadlineSeconds"] == 120, (
        "an image that cannot be had must not hold uninstalling for ever"
    )


def test_the_cleanup_knows_whose_config_maps_are_citadels(helm4: Path) -> None:
    """Both make the mark of the same settings."""
    objects = render(helm4, "revision", {"global.trustDomain": "example.com"}, namespace="mesh")
    job = environment(named(objects, "Job", "istio-citadel-cleanup")["spec"]["template"], "cleanup")
    citadel = environment(named(objects, "Deployment", "istio-citadel")["spec"]["template"], "citadel")
    marks = [f"FLOTILLA_CITADEL_{name}" for name in ("ROOT_NAMESPACE", "TRUST_DOMAIN", "REVISION", "PLATFORM")]
    assert {name: job[name] for name in marks} == {name: citadel[name] for name in marks}
    assert {name.removeprefix("FLOTILLA_CITADEL_").lower() for name in job} <= CHART


@pytest.mark.parametrize(("event", "kind"), [("test", "Pod"), ("post-delete", "Job")])
def test_hooks_run_programs_that_are_there_and_leave_nothing(helm4: Path, event: str, kind: str) -> None:
    objects = hooks(render(helm4), event)
    (runs,) = of_kind(objects, kind)
    spec = runs["spec"].get("template", runs)["spec"]
    (container,) = spec["containers"]
    assert container["command"][:2] == ["python", "-m"]
    assert importlib.util.find_spec(container["command"][2])
    assert spec["restartPolicy"] == "Never"
    for each in objects:
        assert each["metadata"]["annotations"][POLICY] == "before-hook-creation,hook-succeeded"


def test_no_cleanup_where_it_is_not_wanted(helm4: Path) -> None:
    assert hooks(render(helm4, "minimal"), "post-delete") == []


@pytest.mark.parametrize("name", value_sets())
def test_nothing_else_is_a_hook(helm4: Path, name: str) -> None:
    """Whatever waits for a hook, GitOps tools install in another order."""
    events = {each["metadata"].get("annotations", {}).get(HOOK) for each in render(helm4, name)}
    assert events <= {None, "test", "post-delete"}
