"""The webhook as the API server meets it: HTTPS by the mesh's root, reviews of both versions, files that change, the caBundle."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flotilla_pilot.config import PilotSettings
from flotilla_pilot.servers.injection import InjectionWebhook
from flotilla_pilot.sources.injection_files import InjectionFiles
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.runtime.kube.metrics import NO_METRICS
from flotilla_shared.runtime.kube.resources import MUTATING_WEBHOOKS
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.testing import patches
from flotilla_shared.testing.apiserver import ApiServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

NAME = "istio-pilot.istio-system.svc"
ACCOUNT = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "web-", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "example/web:1"}]},
}


class Webhook:
    """One webhook beside an API server, and what asks it as that server does."""

    def __init__(self, folder: Path) -> None:
        self.authority = CertificateAuthorityForTests()
        self.identity = self.authority.identity(ACCOUNT, NAME)
        self.server = ApiServer()
        self.server.serve(MUTATING_WEBHOOKS)
        self.folder = folder
        self.mesh: MeshConfig | None = MeshConfig()
        self.metrics = ServiceMetrics("pilot")
        self.settings = PilotSettings(
            injection_port=0, injection_dir=folder, root_cert_file=folder / "none", platform="kubernetes"
        )
        self.webhook: InjectionWebhook

    async def start(self) -> None:
        await self.server.start()
        self.webhook = InjectionWebhook(
            self.settings, self.identity, self.server.client(), lambda: self.mesh, self.metrics, NO_METRICS
        )
        await self.webhook.start()
        await self.webhook.server.listening.wait()

    async def stop(self) -> None:
        await self.webhook.stop()
        await self.server.stop()

    async def post(self, content: bytes | dict[str, Any], path: str = "/inject", **headers: str) -> httpx.Response:
        context = ssl.create_default_context(cadata=self.authority.root_pem)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            return await client.post(
                f"https://127.0.0.1:{self.webhook.server.port}{path}",
                content=body,
                headers={"content-type": "application/json", **headers},
                extensions={"sni_hostname": NAME},
            )

    async def review(
        self, pod: dict[str, Any], version: str = "v1", namespace: str = "shop", path: str = "/inject"
    ) -> Any:
        request = {
            "uid": "u",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": namespace,
            "operation": "CREATE",
            "object": pod,
        }
        review = {"apiVersion": f"admission.k8s.io/{version}", "kind": "AdmissionReview", "request": request}
        answer = (await self.post(review, path)).json()
        assert answer["apiVersion"] == review["apiVersion"]
        assert answer["response"]["uid"] == "u"
        return answer["response"]

    def counted(self, what: str) -> float:
        return self.metrics.registry.get_sample_value(f"sidecar_injection_{what}_total") or 0


@pytest.fixture
async def webhook(tmp_path: Path) -> AsyncIterator[Webhook]:
    made = Webhook(tmp_path)
    await made.start()
    yield made
    await made.stop()


def patched(pod: dict[str, Any], response: Any) -> Any:
    assert response["patchType"] == "JSONPatch"
    return patches.json_patch(pod, json.loads(base64.b64decode(response["patch"])))


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_new_pod_gets_its_proxy(webhook: Webhook, version: str) -> None:
    response = await webhook.review(POD, version)
    assert response["allowed"]
    injected = patched(POD, response)
    assert [each["name"] for each in injected["spec"]["containers"]] == ["web", "istio-proxy"]
    assert (webhook.counted("requests"), webhook.counted("success"), webhook.counted("failure")) == (1, 1, 0)
    # What the API server would ask again about the result changes nothing.
    again = await webhook.review(injected, version)
    assert patched(injected, again) == injected


async def test_a_pod_that_is_not_to_be(webhook: Webhook) -> None:
    response = await webhook.review(POD, namespace="kube-system")
    assert response == {"uid": "u", "allowed": True}
    assert webhook.counted("skip") == 1


async def test_a_pod_that_cannot_be(webhook: Webhook) -> None:
    bad = {**POD, "metadata": {"annotations": {"sidecar.istio.io/interceptionMode": "SNAT"}}}
    response = await webhook.review(bad)
    assert not response["allowed"]
    assert response["status"]["message"] == (
        "annotation sidecar.istio.io/interceptionMode is 'SNAT': it must be one of REDIRECT, TPROXY, NONE"
    )
    assert webhook.counted("failure") == 1


async def test_the_path_adds_variables(webhook: Webhook) -> None:
    injected = patched(POD, await webhook.review(POD, path="/inject/cluster/east"))
    proxy = injected["spec"]["containers"][1]
    assert {"name": "ISTIO_META_CLUSTER_ID", "value": "east"} in proxy["env"]
    assert "has no value" in (await webhook.review(POD, path="/inject/cluster"))["status"]["message"]


async def test_the_meshs_configuration_counts(webhook: Webhook) -> None:
    webhook.mesh = None
    refused = await webhook.review(POD)
    assert refused["status"]["message"] == "Pilot cannot inject yet: the mesh configuration has not come from Galley"
    webhook.mesh = MeshConfig(trust_domain="example.org")
    webhook.mesh.default_config.concurrency.value = 3
    webhook.mesh.default_config.proxy_metadata["ISTIO_META_DNS_CAPTURE"] = "true"
    response = await webhook.review(POD)
    environment = {each["name"]: each.get("value") for each in patched(POD, response)["spec"]["containers"][1]["env"]}
    assert environment["TRUST_DOMAIN"] == "example.org"
    assert json.loads(environment["PROXY_CONFIG"])["concurrency"] == 3
    assert response["warnings"] == ["ISTIO_META_DNS_* has no effect: this proxy answers no DNS"]


USERS = (
    ({"securityContext": {"runAsUser": 1337}}, {}, True),
    ({"securityContext": {"runAsUser": 1337}}, {"securityContext": {"runAsUser": 1000}}, False),
    ({}, {"securityContext": {"runAsUser": 1337}}, True),
    ({}, {}, False),
)


@pytest.mark.parametrize(("pod", "container", "warned"), USERS)
async def test_who_runs_as_the_proxys_user_is_warned(
    webhook: Webhook, pod: dict[str, Any], container: dict[str, Any], warned: bool
) -> None:
    spec = {**pod, "containers": [{"name": "web", "image": "example/web:1", **container}]}
    warnings = (await webhook.review({**POD, "spec": spec})).get("warnings", [])
    assert warnings == (["container web runs as user 1337, the proxy's: its calls pass by the proxy"] if warned else [])


async def test_hostile_reviews(webhook: Webhook) -> None:
    assert (await webhook.post(b"")).status_code == 400
    assert (await webhook.post(b"{}", **{"content-type": "text/plain"})).status_code == 415
    assert (await webhook.post(b"{")).json()["response"]["allowed"] is False
    assert (await webhook.post(b"[" * 100_000)).json()["response"]["allowed"] is False
    assert (await webhook.review({"metadata": 1, "spec": []}))["allowed"] in (True, False)
    assert (await webhook.review(POD))["allowed"]


async def test_the_api_server_comes_to_trust_it(webhook: Webhook) -> None:
    hooks = [
        {
            "name": f"{number}.sidecar-injector.istio.io",
            "failurePolicy": "Fail",
            "clientConfig": {"service": {"path": "/inject"}},
        }
        for number in range(2)
    ]
    webhook.server.put(MUTATING_WEBHOOKS, "istio-sidecar-injector", webhooks=hooks)
    wanted = base64.b64encode(webhook.authority.root_pem.encode()).decode()

    def found() -> list[Any]:
        return webhook.server.get(MUTATING_WEBHOOKS, "istio-sidecar-injector")["webhooks"]

    await webhook.server.until(lambda: all(each["clientConfig"].get("caBundle") == wanted for each in found()))
    for before, after in zip(hooks, found(), strict=True):
        del after["clientConfig"]["caBundle"]
        assert after == before


# the files


class Heard:
    """What the files led to."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, Any]] = []
        self.problems: list[str] = []


@pytest.fixture
def heard(tmp_path: Path) -> tuple[Heard, InjectionFiles]:
    heard = Heard()
    files = InjectionFiles(tmp_path, lambda *both: heard.taken.append(both), heard.problems.append)
    return heard, files


async def test_files_that_change(heard: tuple[Heard, InjectionFiles], tmp_path: Path) -> None:
    told, files = heard
    await files.look()
    assert told.taken[-1][0].policy == "enabled"
    (tmp_path / "config").write_text("policy: disabled")
    (tmp_path / "values").write_text('{"global": {"hub": "example"}}')
    await files.look()
    config, values = told.taken[-1]
    assert (config.policy, values.text("global", "hub")) == ("disabled", "example")
    await files.look()
    assert len(told.taken) == 2


async def test_a_bad_file_leaves_the_last_good_one(heard: tuple[Heard, InjectionFiles], tmp_path: Path) -> None:
    told, files = heard
    await files.look()
    (tmp_path / "config").write_text("policy: perhaps")
    await files.look()
    assert len(told.taken) == 1
    assert "policy is 'perhaps'" in files.problem
    (tmp_path / "config").write_text("policy: disabled")
    await files.look()
    assert files.problem == ""
    assert told.taken[-1][0].policy == "disabled"


async def test_a_mounted_configmap_is_followed(webhook: Webhook, tmp_path: Path) -> None:
    """As the kubelet changes it: a new folder, and one rename of the link to it."""
    new = tmp_path / "..2026"
    new.mkdir()
    (new / "values").write_text('{"global": {"hub": "example", "tag": "2"}}')
    (tmp_path / "..data").symlink_to(new)
    (tmp_path / "values").symlink_to("..data/values")
    while True:
        images = [each["image"] for each in patched(POD, await webhook.review(POD))["spec"]["containers"]]
        if images[1] == "example/proxy:2":
            break
        await asyncio.sleep(0.05)


async def test_bad_files_from_the_start_keep_pods_from_being_made_wrong(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("policy: perhaps")
    made = Webhook(tmp_path)
    await made.start()
    try:
        response = await made.review(POD)
        assert not response["allowed"]
        assert response["status"]["message"].startswith("Pilot cannot inject: config: policy is 'perhaps'")
    finally:
        await made.stop()
