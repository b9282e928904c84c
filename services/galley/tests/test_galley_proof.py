"""failurePolicy becomes Fail once the API server has been seen to call the webhook, for those whose author wants it; never back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from flotilla_galley.admission.decide import ALWAYS_REJECT, decide
from flotilla_galley.admission.proof import FAIL_ONCE_CALLED, PROOF, FailOnceCalled
from flotilla_shared.model.kinds import GATEWAYS, by_collection
from flotilla_shared.runtime.kube.admission import AdmissionRequest
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.objects import WebhookConfiguration
from flotilla_shared.runtime.kube.resources import VALIDATING_WEBHOOKS, Resource
from flotilla_shared.testing.apiserver import ApiServer, Fault

KIND = by_collection(GATEWAYS)
assert KIND is not None
GATEWAY = Resource(KIND.group, KIND.versions[0], KIND.plural, True, KIND.kind)
NS = "istio-system"
DENIED = (
    'admission webhook "root.validation.istio.io" denied the request: metadata.annotations: '
    f"{ALWAYS_REJECT} is always refused"
)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    server.serve(VALIDATING_WEBHOOKS, GATEWAY)
    await server.start()
    yield server
    await server.stop()


def configured(server: ApiServer, annotation: str = "validation.istio.io", policy: str = "Ignore") -> None:
    hooks = [
        {"name": "validation.istio.io", "failurePolicy": policy, "clientConfig": {"caBundle": "eA=="}},
        {"name": "root.validation.istio.io", "failurePolicy": "Ignore", "clientConfig": {"caBundle": "eA=="}},
    ]
    annotations = {FAIL_ONCE_CALLED: annotation} if annotation else {}
    server.put(VALIDATING_WEBHOOKS, "istio-galley", webhooks=hooks, metadata={"annotations": annotations})


def policies(server: ApiServer) -> list[str]:
    return [each["failurePolicy"] for each in server.get(VALIDATING_WEBHOOKS, "istio-galley")["webhooks"]]


class Running:
    def __init__(self, server: ApiServer, client: KubeClient) -> None:
        self.trusted = True
        self.server = server
        self.component = FailOnceCalled(client, self.configuration, lambda: self.trusted, NS, "blue", 0.01)

    def configuration(self) -> WebhookConfiguration | None:
        found = self.server.store.kind(str(VALIDATING_WEBHOOKS)).get(("", "istio-galley"))
        return msgspec.convert(found, WebhookConfiguration) if found is not None else None

    async def until(self, state: str) -> None:
        await self.server.until(lambda: state in self.component.state)


@pytest.fixture
async def running(server: ApiServer) -> AsyncIterator[Running]:
    client = server.client()
    await client.start()
    made = Running(server, client)
    await made.component.start()
    yield made
    await made.component.stop()
    await client.stop()


async def test_it_fails_closed_once_it_was_called(server: ApiServer, running: Running) -> None:
    running.trusted = False
    configured(server)
    await running.until("does not trust the webhook yet")
    assert not server.of("create")
    server.fail(Fault("create", 500, message='failed calling webhook "root.validation.istio.io": refused', times=2))
    running.trusted = True
    await running.until("not proved: ")
    assert policies(server) == ["Ignore", "Ignore"]
    server.fail(Fault("create", 400, message=DENIED))
    await running.until("as its author has it")
    assert policies(server) == ["Fail", "Ignore"]


async def test_a_proof_that_passes_proves_that_nobody_is_called(server: ApiServer, running: Running) -> None:
    configured(server)
    await running.until("the API server does not call the webhook")
    assert policies(server) == ["Ignore", "Ignore"]


@pytest.mark.parametrize(
    ("annotation", "policy"), [("", "Ignore"), ("other", "Ignore"), ("validation.istio.io", "Fail")]
)
async def test_what_is_its_authors_stays(server: ApiServer, running: Running, annotation: str, policy: str) -> None:
    configured(server, annotation, policy)
    await running.until("as its author has it")
    assert policies(server) == [policy, "Ignore"]
    assert not server.of("create")
    assert not server.of("patch")


async def test_somebody_elses_refusal_proves_nothing(server: ApiServer, running: Running) -> None:
    server.fail(
        Fault("create", 403, message='admission webhook "policy.example.com" denied the request: no', times=1000)
    )
    configured(server)
    await running.until("policy.example.com")
    assert policies(server) == ["Ignore", "Ignore"]


async def test_a_cluster_without_the_kind_waits(server: ApiServer, running: Running) -> None:
    server.withdraw(GATEWAY)
    configured(server)
    await running.until("the API server does not call the webhook")


def test_the_proof_is_refused_for_its_annotation_alone(server: ApiServer) -> None:
    proof: dict[str, Any] = FailOnceCalled(server.client(), lambda: None, lambda: True, NS, "blue")._proof(GATEWAY)
    names = {"group": GATEWAY.group, "version": GATEWAY.version, "kind": GATEWAY.kind}
    request = {"uid": "u", "operation": "CREATE", "kind": names, "namespace": NS, "dryRun": True, "object": proof}
    refused = decide(msgspec.convert(request, AdmissionRequest)).answer
    assert (refused.allowed, ALWAYS_REJECT in refused.message) == (False, True)
    assert (proof["metadata"]["name"], proof["metadata"]["labels"]) == (PROOF, {"istio.io/rev": "blue"})
    del proof["metadata"]["annotations"]
    assert decide(msgspec.convert(request, AdmissionRequest)).answer.allowed
