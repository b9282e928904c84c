"""`flotilla check` over an API server: a mesh that is well, and each thing that can be wrong with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cli.tests.healthy_mesh import NS, OTHER_PEM, Mesh, injectors, root_certificate, validators
from flotilla_cli.commands import check as command
from flotilla_cli.health.before import MADE
from flotilla_cli.health.cluster import ACCESS_REVIEWS, DEPLOYMENTS
from flotilla_cli.health.kinds import wanted
from flotilla_cli.parser import build_parser
from flotilla_shared.runtime.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    LEASES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    PODS,
    VALIDATING_WEBHOOKS,
)
from flotilla_shared.testing.apiserver import ApiServer, Fault


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    server = ApiServer()
    server.serve(*MADE, ACCESS_REVIEWS, PODS)
    await server.start()
    mesh = Mesh(server)
    mesh.install()
    yield mesh
    await server.stop()


class Answers:
    """What the test's server has no pages for: its version, and what the caller may do."""

    def __init__(self, version: str, denied: set[str]) -> None:
        self.version, self.denied = version, denied
        self.asked: dict[str, dict[str, str]] = {}

    def answer(self, method: str, path: str, body: Any) -> bytes | None:
        if path == "/version":
            return json.dumps({"gitVersion": self.version}).encode()
        if (method, path) == ("POST", ACCESS_REVIEWS.path()):
            attributes = body["spec"]["resourceAttributes"]
            self.asked[attributes["resource"]] = attributes
            return json.dumps({"status": {"allowed": attributes["resource"] not in self.denied}}).encode()
        return None


@pytest.fixture
def check(mesh: Mesh, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs the command; gives the exit code and what it printed."""

    async def run(*arguments: str, answers: Answers | None = None) -> tuple[int, str]:
        client = mesh.server.client()
        request = client.request
        own = answers or Answers("v1.36.3", set())

        async def answer(method: str, path: str, *, body: Any = None, **given: Any) -> bytes:
            return own.answer(method, path, body) or await request(method, path, body=body, **given)

        monkeypatch.setattr(client, "request", answer)
        code = await command.check(client, build_parser().parse_args(["check", *arguments]))
        return code, capsys.readouterr().out

    return run


async def test_a_mesh_that_is_well(check: Any) -> None:
    code, text = await check()
    assert "✗" not in text
    assert "!" not in text
    assert text.endswith("All is well.\n")
    assert code == 0
    for said in (
        "Kubernetes is v1.36.3",
        f"All {len(wanted())} kinds of Istio are served",
        "istio-pilot is ready (2 of 2 pods)",
        "failurePolicy Fail: while istio-galley is away, configuration cannot be changed",
        "have the trust domain cluster.local",
        "The root certificate is good until",
        "Every namespace has the mesh's root certificate (3)",
        "All pods of shop have their sidecar",
        "pod-1 leads istio-citadel",
    ):
        assert said in text


# What is done to the mesh -> the sign and the sentence it makes.
HARMS: list[tuple[str, Callable[[Mesh], None], str]] = [
    (
        "kind gone",
        lambda mesh: mesh.remove(CRDS, "rules.config.istio.io"),
        f"✗ 1 of {len(wanted())} kinds are not there: rules.config.istio.io",
    ),
    (
        "kind not established",
        lambda mesh: mesh.crd("rules.config.istio.io", "v1alpha2", "False"),
        "✗ The kind rules.config.istio.io is there and not established",
    ),
    (
        "kind of another version",
        lambda mesh: mesh.crd("rules.config.istio.io", "v9"),
        "✗ The kind rules.config.istio.io is served as v9, and not as v1alpha2",
    ),
    (
        "no Deployment",
        lambda mesh: mesh.remove(DEPLOYMENTS, "istio-pilot", NS),
        "✗ There is no Deployment istio-pilot in istio-system",
    ),
    ("no Mixer", lambda mesh: mesh.remove(DEPLOYMENTS, "istio-mixer", NS), "! There is no Mixer"),
    ("nothing ready", lambda mesh: mesh.deployment("galley", ready=0), "✗ istio-galley has 0 of 2 pods ready"),
    ("half ready", lambda mesh: mesh.deployment("galley", ready=1), "! istio-galley has 1 of 2 pods ready"),
    (
        "scaled to nothing",
        lambda mesh: mesh.deployment("galley", ready=0, wants=0),
        "✗ istio-galley has 0 of 0 pods ready",
    ),
    (
        "no injector",
        lambda mesh: mesh.remove(MUTATING_WEBHOOKS, "istio-sidecar-injector"),
        "! There is no MutatingWebhookConfiguration istio-sidecar-injector",
    ),
    (
        "no caBundle",
        lambda mesh: mesh.make(MUTATING_WEBHOOKS, "istio-sidecar-injector", webhooks=injectors(root="")),
        "✗ istio-sidecar-injector: 2 of 2 webhooks have no caBundle",
    ),
    (
        "another caBundle",
        lambda mesh: mesh.make(VALIDATING_WEBHOOKS, "istio-galley", webhooks=validators(OTHER_PEM)),
        "✗ istio-galley: the caBundle of 2 of 2 webhooks is not the mesh's root",
    ),
    (
        "another mesh's webhook",
        lambda mesh: mesh.make(MUTATING_WEBHOOKS, "istio-sidecar-injector", webhooks=injectors(ns="other")),
        "✗ istio-sidecar-injector: it leads to other/istio-pilot and not to istio-system/istio-pilot",
    ),
    (
        "open injection",
        lambda mesh: mesh.make(MUTATING_WEBHOOKS, "istio-sidecar-injector", webhooks=injectors("Ignore")),
        "! istio-sidecar-injector has failurePolicy Ignore: while istio-pilot is away, pods start without a sidecar",
    ),
    (
        "no mesh configuration",
        lambda mesh: mesh.remove(CONFIG_MAPS, "istio", NS),
        "✗ There is no ConfigMap istio in istio-system",
    ),
    (
        "mesh configuration is no mapping",
        lambda mesh: mesh.make(CONFIG_MAPS, "istio", NS, data={"mesh": "- a"}),
        "✗ ConfigMap istio: its key mesh is no YAML mapping",
    ),
    (
        "mesh configuration is no YAML",
        lambda mesh: mesh.make(CONFIG_MAPS, "istio", NS, data={"mesh": "{"}),
        "✗ ConfigMap istio: its key mesh is no YAML mapping",
    ),
    (
        "another trust domain",
        lambda mesh: mesh.deployment("citadel", domain="example.com"),
        "✗ istio-citadel has the trust domain example.com, and the mesh configuration has cluster.local",
    ),
    (
        "no root",
        lambda mesh: mesh.remove(CONFIG_MAPS, "istio-ca-root-cert", NS),
        "✗ There is no ConfigMap istio-ca-root-cert in istio-system",
    ),
    (
        "a root that is none",
        lambda mesh: mesh.root(NS, "nonsense"),
        "✗ ConfigMap istio-ca-root-cert in istio-system holds no certificate",
    ),
    (
        "root missing somewhere",
        lambda mesh: mesh.remove(CONFIG_MAPS, "istio-ca-root-cert", "shop"),
        "✗ ConfigMap istio-ca-root-cert is missing in shop",
    ),
    (
        "stale root",
        lambda mesh: mesh.root("shop", OTHER_PEM),
        "✗ ConfigMap istio-ca-root-cert in shop is not the mesh's root certificate",
    ),
    (
        "foreign root",
        lambda mesh: mesh.root("shop", OTHER_PEM, None),
        "✗ ConfigMap istio-ca-root-cert in shop is another mesh's",
    ),
    (
        "pod without sidecar",
        lambda mesh: mesh.pod("old-1", containers=["old"]),
        "! In shop, 1 pods have no sidecar: old-1",
    ),
    (
        "two labels",
        lambda mesh: mesh.make(NAMESPACES, "shop", labels={"istio-injection": "enabled", "istio.io/rev": "blue"}),
        "! Namespace shop has both istio-injection=enabled and istio.io/rev=blue",
    ),
    (
        "unknown revision",
        lambda mesh: mesh.make(NAMESPACES, "shop", labels={"istio.io/rev": "blue"}),
        "✗ Namespace shop asks for sidecars of revision blue, and nobody injects for it",
    ),
    (
        "two control planes",
        lambda mesh: mesh.make(MUTATING_WEBHOOKS, "istio-sidecar-injector-old", webhooks=injectors(ns="old")),
        "✗ istio-sidecar-injector-old injects for revision default too",
    ),
    (
        "nobody leads",
        lambda mesh: mesh.make(LEASES, "istio-citadel-leader", NS),
        "✗ Nobody holds the Lease istio-citadel-leader: root certificates are not published",
    ),
    (
        "no lease",
        lambda mesh: mesh.remove(LEASES, "istio-galley-leader", NS),
        "✗ Nobody holds the Lease istio-galley-leader: the status of objects is not written",
    ),
    (
        "leader gone",
        lambda mesh: mesh.lease("galley", age_seconds=3600),
        "✗ pod-1 holds the Lease istio-galley-leader and has not renewed it since",
    ),
]


@pytest.mark.parametrize(("harm", "said"), [harm[1:] for harm in HARMS], ids=[harm[0] for harm in HARMS])
async def test_each_thing_that_is_wrong_is_told_with_what_mends_it(
    check: Any, mesh: Mesh, harm: Callable[[Mesh], None], said: str
) -> None:
    harm(mesh)
    code, text = await check("-o", "short")
    lines = text.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.strip().startswith(said))
    assert lines[at + 1].startswith("      "), "what to do about it"
    assert code == (1 if said.startswith("✗") else 0) or "✗" in text


@pytest.mark.parametrize(
    "pod",
    [
        {"labels": {"sidecar.istio.io/inject": "false"}},
        {"phase": "Succeeded"},
        {"phase": "Failed"},
        {"hostNetwork": True},
        {"namespace": "kube-system"},
    ],
)
async def test_pods_that_need_no_sidecar_are_not_missed(check: Any, mesh: Mesh, pod: dict[str, Any]) -> None:
    mesh.pod("plain-1", containers=["plain"], **pod)
    assert (await check("-o", "short")) == (0, "All is well.\n")


@pytest.mark.parametrize(("days", "sign", "word"), [(59, "!", "ends on"), (-1, "✗", "has ended on")])
async def test_a_root_with_little_time_left(check: Any, mesh: Mesh, days: int, sign: str, word: str) -> None:
    pem = root_certificate(days)
    for namespace in (NS, "kube-system", "shop"):
        mesh.root(namespace, pem)
    mesh.make(MUTATING_WEBHOOKS, "istio-sidecar-injector", webhooks=injectors(root=pem))
    mesh.make(VALIDATING_WEBHOOKS, "istio-galley", webhooks=validators(pem))
    code, text = await check("-o", "short")
    assert f"{sign} The root certificate {word}" in text
    assert code == (1 if sign == "✗" else 0)


@pytest.mark.parametrize("version", ["v1.29.9", "", "unknown"])
async def test_an_old_cluster_ends_it(check: Any, version: str) -> None:
    code, text = await check(answers=Answers(version, set()))
    assert code == 1
    assert "1.30 is the oldest that will do" in text
    assert "Control plane" not in text


async def test_without_the_namespace_nothing_more_is_said(check: Any) -> None:
    code, text = await check("-n", "nowhere")
    assert code == 1
    assert "✗ There is no namespace nowhere." in text
    assert "Webhooks" not in text


async def test_what_may_not_be_looked_at_is_said_and_keeps_nothing_else(check: Any, mesh: Mesh) -> None:
    mesh.server.fail(Fault("list", code=403, reason="Forbidden", message="you may not list pods", plural="pods"))
    code, text = await check()
    assert code == 0, "it is unknown, not wrong"
    assert "? Of sidecars nothing can be said: you may not list pods." in text
    assert "leads istio-galley" in text


async def test_an_error_of_the_api_server_is_a_problem(check: Any, mesh: Mesh) -> None:
    mesh.server.fail(Fault("list", code=500, reason="InternalError", message="etcd is away", plural="pods"))
    code, text = await check()
    assert code == 1
    assert "✗ Of sidecars nothing can be said: etcd is away." in text


async def test_as_json(check: Any, mesh: Mesh) -> None:
    mesh.deployment("mixer", ready=0)
    code, text = await check("-o", "json")
    said = json.loads(text)
    assert (code, said["ok"]) == (1, False)
    findings = {each["text"]: each for section in said["sections"] for each in section["findings"]}
    wrong = findings["istio-mixer has 0 of 2 pods ready."]
    assert wrong["level"] == "problem"
    assert "kubectl -n istio-system get pods -l istio=mixer" in wrong["mend"]
    assert [section["section"] for section in said["sections"]] == [
        "Kubernetes API",
        "Kinds",
        "Control plane",
        "Webhooks",
        "Trust",
        "Injection",
        "Leaders",
    ]


async def test_a_revision_has_names_of_its_own(check: Any, mesh: Mesh) -> None:
    code, text = await check("--revision", "blue", "-o", "short")
    assert code == 1
    for name in (
        "istio-sidecar-injector-blue",
        "istio-galley-blue",
        "ConfigMap istio-blue",
        "istio-citadel-leader-blue",
    ):
        assert name in text


# -- before installing


async def test_a_cluster_that_can_have_one(check: Any, mesh: Mesh) -> None:
    for name in wanted():
        mesh.remove(CRDS, name)
    mesh.remove(MUTATING_WEBHOOKS, "istio-sidecar-injector")
    code, text = await check("--pre")
    assert code == 0
    assert "✓ You may create all that the charts make." in text
    assert f"! {len(wanted())} of {len(wanted())} kinds of Istio are not there yet" in text
    assert "✓ No other mesh is in the way." in text


async def test_rights_that_lack_are_named(check: Any) -> None:
    code, text = await check("--pre", answers=Answers("v1.36.3", {"clusterroles", "leases"}))
    assert code == 1
    assert "✗ You may not create clusterroles.rbac.authorization.k8s.io, leases.coordination.k8s.io." in text


async def test_what_of_another_mesh_is_in_the_way(check: Any, mesh: Mesh) -> None:
    mesh.root("shop", OTHER_PEM, None)
    code, text = await check("--pre")
    assert code == 1
    assert "✗ istio-sidecar-injector already injects sidecars for revision default" in text
    assert "! ConfigMap istio-ca-root-cert of another mesh is in shop" in text
    _, text = await check("--pre", "--revision", "blue")
    assert "already injects" not in text


async def test_rights_are_asked_for_where_things_are_made(check: Any) -> None:
    answers = Answers("v1.36.3", set())
    await check("--pre", "-n", "mesh", answers=answers)
    deployments = {"verb": "create", "group": "apps", "resource": "deployments", "namespace": "mesh"}
    assert answers.asked["deployments"] == deployments
    assert "namespace" not in answers.asked["clusterroles"]
    assert len(answers.asked) == len(MADE)
