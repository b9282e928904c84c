"""Citadel whole, as it runs on Kubernetes, over an API server: root, readiness, callers, replicas, troubles."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pytest
from cryptography import x509

from flotilla_citadel.app import serve
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.kubernetes import ClusterCitadel
from flotilla_citadel.servers.certificate_service import METHOD
from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.runtime.identity import uri_of
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, EVENTS, LEASES, NAMESPACES, SECRETS, TOKEN_REVIEWS
from flotilla_shared.testing.apiserver import ApiServer, Fault

NAMESPACE, SECRET, CONFIG_MAP = "istio-system", "istio-ca-secret", "istio-ca-root-cert"
REVIEWS = "system:serviceaccount:shop:reviews"
KUBECONFIG = """\
current-context: test
contexts: [{{name: test, context: {{cluster: test}}}}]
clusters: [{{name: test, cluster: {{server: "{server}"}}}}]
"""


class Cluster(ApiServer):
    """An API server that judges tokens, too: those in `accounts` hold, as their user and for their audiences."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts: dict[str, str] = {}
        self.serve(SECRETS, CONFIG_MAPS, NAMESPACES, LEASES, EVENTS, TOKEN_REVIEWS)

    def token(self, user: str = REVIEWS, audience: str = "istio-ca") -> str:
        """A token that the kubelet projected."""
        claims = {"aud": [audience], "exp": time.time() + 3600, "iss": "https://kubernetes", "jti": len(self.accounts)}
        made = jwt.encode(claims, "a key that only the API server has, and nobody else", "HS256")
        self.accounts[made] = user
        return made

    def _done(self, verb: str, target: Any, query: dict[str, str], body: Any, content_type: str) -> dict[str, Any]:
        if target.resource is not TOKEN_REVIEWS:
            return super()._done(verb, target, query, body, content_type)
        user = self.accounts.get(body["spec"]["token"])
        if user is None:
            return {**body, "status": {"authenticated": False, "error": "invalid bearer token"}}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{user.split(':')[2]}", "system:authenticated"]
        extra = {"authentication.kubernetes.io/pod-name": ["reviews-1"]}
        about = {"username": user, "groups": groups, "extra": extra}
        return {**body, "status": {"authenticated": True, "audiences": body["spec"]["audiences"], "user": about}}

    async def holds(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            await self.until(condition)

    def published(self, namespace: str) -> str:
        """The root in a namespace, empty where there is none."""
        found = self.store.kind(str(CONFIG_MAPS)).get((namespace, CONFIG_MAP))
        return found["data"]["root-cert.pem"] if found else ""

    def told(self) -> list[str]:
        """The reasons of Events that were written."""
        return [item["reason"] for item in self.store.kind(str(EVENTS)).values()]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    made = Cluster()
    await made.start()
    for name in ("default", NAMESPACE):
        made.put(NAMESPACES, name)
    yield made
    await made.stop()


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Callable[..., CitadelSettings]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG.format(server=cluster.url))

    def make(pod: str = "istio-citadel-1", **more: Any) -> CitadelSettings:
        ports = dict.fromkeys(("port", "monitoring_port", "introspection_port"), 0)
        return CitadelSettings(platform="kubernetes", kubeconfig=kubeconfig, pod_name=pod, **ports, **more)

    return make


@contextlib.asynccontextmanager
async def started(settings: CitadelSettings) -> AsyncIterator[ClusterCitadel]:
    citadel = ClusterCitadel(settings)
    await citadel.lifecycle.start()
    try:
        yield citadel
    finally:
        await citadel.lifecycle.stop()


async def sign(citadel: ClusterCitadel, csr: str, token: str | None) -> list[str]:
    """As an agent does: over TLS, by the name of the Service, trusting the published root."""
    server, root = citadel.rooted.signing.server, citadel.rooted.signing.authority.signer.root_pem
    credentials = grpc.ssl_channel_credentials(root.encode())
    options = [("grpc.ssl_target_name_override", "istio-citadel.istio-system.svc")]
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.bound_port}", credentials, options) as channel:
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        request = IstioCertificateRequest(csr=csr).SerializeToString()
        answer = await channel.unary_unary(METHOD)(request, metadata=metadata, timeout=45)
    return list(IstioCertificateResponse.FromString(answer).cert_chain)


async def refusal(citadel: ClusterCitadel, csr: str, token: str | None) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await sign(citadel, csr, token)
    return refused.value.code(), refused.value.details() or ""


def metric(citadel: ClusterCitadel, line: str) -> float:
    lines = citadel.metrics.render().decode().splitlines()
    return next(float(each.rsplit(" ", 1)[1]) for each in lines if each.startswith(line + " "))


async def test_it_makes_a_root_publishes_it_and_signs(cluster: Cluster, settings: Any, make_csr: Any) -> None:
    async with started(settings()) as citadel:
        await asyncio.wait_for(citadel.readiness.wait(), 20)
        root = citadel.rooted.signing.authority.signer.root_pem
        await cluster.holds(lambda: cluster.published("default"))
        assert {cluster.published(name) for name in ("default", NAMESPACE)} == {root}
        leaf, bundle = await sign(citadel, make_csr(), cluster.token())
        assert (uri_of(x509.load_pem_x509_certificate(leaf.encode())), bundle) == (
            "spiffe://cluster.local/ns/shop/sa/reviews",
            root,
        )
        seen: Any = citadel.issued.view({"identity": "shop"})
        assert [entry["pod"] for entry in seen["certificates"]] == ["shop/reviews-1"]
        page: Any = citadel.rooted.view()
        assert page["secret"] == {"state": "same", "reason": ""}
        assert page["config_maps"]["namespaces"]["published"] == 2
        assert (page["config_maps"]["leader"], metric(citadel, "citadel_leader")) == (True, 1)
        assert metric(citadel, 'citadel_root_namespaces{state="published"}') == 2


async def test_who_asks_is_told_what_is_wrong(cluster: Cluster, settings: Any, make_csr: Any) -> None:
    csr = make_csr()
    async with started(settings(token_review_cache_seconds=0)) as citadel:
        code, text = await refusal(citadel, csr, cluster.token(audience="vault"))
        assert (code, text) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "request authenticate failure: the token is for another audience: one for istio-ca is needed",
        )
        stranger = cluster.token()
        del cluster.accounts[stranger]
        assert await refusal(citadel, csr, stranger) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "request authenticate failure: the API server does not accept the token",
        )
        assert (await refusal(citadel, csr, cluster.token("kubernetes:admin:x:y")))[
            0
        ] is grpc.StatusCode.UNAUTHENTICATED
        assert (await refusal(citadel, csr, None))[0] is grpc.StatusCode.UNAUTHENTICATED
        cluster.fail(Fault("create", 503, "ServiceUnavailable", plural="tokenreviews"))
        code, text = await refusal(citadel, csr, cluster.token())
        assert code is grpc.StatusCode.UNAVAILABLE  # which clients try again
        assert "the API server does not answer" in text
        assert len(await sign(citadel, csr, cluster.token())) == 2
        code, text = await refusal(citadel, make_csr(["spiffe://cluster.local/ns/shop/sa/other"]), cluster.token())
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert metric(citadel, 'citadel_token_reviews_total{result="failed"}') == 1


async def test_many_calls_at_once_are_one_review_a_token(cluster: Cluster, settings: Any, make_csr: Any) -> None:
    csr, tokens = make_csr(), [cluster.token() for _ in range(3)]
    async with started(settings()) as citadel:
        chains = await asyncio.gather(*(sign(citadel, csr, token) for token in tokens for _ in range(4)))
        assert {len(chain) for chain in chains} == {2}
        assert len(cluster.of("create", "tokenreviews")) == 3


async def test_replicas_share_the_root_and_one_writes(cluster: Cluster, settings: Any, make_csr: Any) -> None:
    async with started(settings("one")) as one, started(settings("two")) as two:
        for each in (one, two):
            await asyncio.wait_for(each.readiness.wait(), 20)
        roots = {each.rooted.signing.authority.signer.root_pem for each in (one, two)}
        assert roots == {cluster.published(NAMESPACE)}
        await cluster.holds(lambda: cluster.published("default"))
        assert sorted(each.rooted.distribution.leading for each in (one, two)) == [False, True]
        assert len(cluster.of("create", "namespaces/default/configmaps")) == 1
        leaf, bundle = await sign(two, make_csr(), cluster.token())
        x509.load_pem_x509_certificate(leaf.encode()).verify_directly_issued_by(
            x509.load_pem_x509_certificate(bundle.encode())
        )


async def test_while_the_api_server_is_away_it_says_so_and_waits(cluster: Cluster, settings: Any) -> None:
    away = Fault("get", 503, "ServiceUnavailable", "etcd is away", plural="secrets", times=1_000_000)
    cluster.fail(away)
    citadel = ClusterCitadel(settings())
    start = asyncio.create_task(citadel.lifecycle.start())
    await cluster.holds(lambda: "etcd is away" in citadel.readiness.unmet_reasons().get("signer loaded", ""))
    assert citadel.rooted.view()["loaded"] is False
    assert "root published" in citadel.readiness.unmet_reasons()
    away.times = 1
    async with asyncio.timeout(40):
        await start
        await citadel.readiness.wait()
    await citadel.lifecycle.stop()


async def test_it_can_be_stopped_while_it_waits_for_a_root(cluster: Cluster, settings: Any) -> None:
    cluster.fail(Fault("get", 503, hang=True, plural="secrets"))
    citadel = ClusterCitadel(settings())
    start = asyncio.create_task(citadel.lifecycle.start())
    await cluster.holds(lambda: cluster.of("get", "namespaces/istio-system/secrets"))
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    await citadel.lifecycle.stop()
    assert not cluster.of("create")


async def test_a_foreign_secret_ends_the_start(cluster: Cluster, settings: Any) -> None:
    cluster.put(SECRETS, SECRET, NAMESPACE, type="Opaque", data={})
    with pytest.raises(StartRefused, match=r"Secret istio-system/istio-ca-secret: its type is Opaque"):
        async with started(settings()):
            pass
    assert await serve(settings()) == 1


async def test_without_a_way_to_the_api_server_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert await serve(CitadelSettings(platform="kubernetes")) == 1


async def test_a_foreign_root_is_told_and_keeps_it_unready_at_home(cluster: Cluster, settings: Any) -> None:
    for namespace in ("default", NAMESPACE):
        cluster.put(CONFIG_MAPS, CONFIG_MAP, namespace, data={"root-cert.pem": "another root"})
    async with started(settings()) as citadel:
        await cluster.holds(lambda: cluster.told() == ["ForeignRoot", "ForeignRoot"])
        assert "holds another root" in citadel.readiness.unmet_reasons()["root published"]
        assert metric(citadel, 'citadel_root_namespaces{state="foreign"}') == 2
        page: Any = citadel.rooted.view()
        assert [each["namespace"] for each in page["config_maps"]["problems"]] == ["default", NAMESPACE]
        (event,) = [item for (where, _), item in cluster.store.kind(str(EVENTS)).items() if where == "default"]
        assert (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == ("ConfigMap", CONFIG_MAP)
        assert event["type"] == "Warning"
        cluster.remove(CONFIG_MAPS, CONFIG_MAP, NAMESPACE)
        await asyncio.wait_for(citadel.readiness.wait(), 20)
    assert cluster.published("default") == "another root"


async def test_a_root_secret_that_goes_is_told_and_signing_goes_on(
    cluster: Cluster, settings: Any, make_csr: Any
) -> None:
    async with started(settings()) as citadel:
        await asyncio.wait_for(citadel.readiness.wait(), 20)
        await cluster.holds(lambda: citadel.rooted.watch.state == "same")
        root = citadel.rooted.signing.authority.signer.root_pem
        cluster.remove(SECRETS, SECRET, NAMESPACE)
        await cluster.holds(lambda: cluster.told() == ["RootSecretDeleted"])
        assert metric(citadel, "citadel_root_secret_in_trouble") == 1
        assert (await sign(citadel, make_csr(), cluster.token()))[-1] == root
        assert citadel.readiness.ready
    assert (NAMESPACE, SECRET) not in cluster.store.kind(str(SECRETS))  # never written again by itself


async def test_a_revision_has_a_lease_and_a_mark_of_its_own(cluster: Cluster, settings: Any) -> None:
    async with started(settings()) as one, started(settings("canary", revision="canary")) as two:
        for each in (one, two):
            await asyncio.wait_for(each.readiness.wait(), 20)
        await cluster.holds(lambda: one.rooted.distribution.leading and two.rooted.distribution.leading)
        leases = {name for _, name in cluster.store.kind(str(LEASES))}
        assert leases == {"istio-citadel-leader", "istio-citadel-leader-canary"}
        await cluster.holds(lambda: two.rooted.view()["config_maps"]["namespaces"]["shared"] == 2)


async def test_its_certificate_is_for_its_service_and_its_ports_tell(cluster: Cluster, settings: Any) -> None:
    async with started(settings()) as citadel:
        await asyncio.wait_for(citadel.readiness.wait(), 20)
        signing = citadel.rooted.signing
        context = ssl.create_default_context(cadata=signing.authority.signer.root_pem)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", signing.server.bound_port, ssl=context, server_hostname="istio-citadel.istio-system.svc"
        )
        writer.transport.abort()  # the first frames of the server are of no interest
        edges = [part for _, part in citadel.lifecycle._started[:2]]
        async with httpx.AsyncClient(trust_env=False) as client:
            ready = await client.get(f"http://127.0.0.1:{edges[0].ports[0]}/readyz")
            root = await client.get(f"http://127.0.0.1:{edges[1].ports[0]}/debug/root")
        assert ready.json() == {"ready": True, "conditions": {"signer loaded": "met", "root published": "met"}}
        assert root.json()["config_maps"]["citadel_id"] == "istio-system/cluster.local/default"
        assert "PRIVATE" not in root.text
