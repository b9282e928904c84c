"""What may be stored: reviews decided, and the webhook as the API server calls it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from flotilla_galley.admission.decide import ALWAYS_REJECT, decide
from flotilla_galley.admission.webhook import TrustedByApiServer, ValidationMetrics, admission_server
from flotilla_shared.runtime.kube.admission import AdmissionRequest
from flotilla_shared.runtime.kube.metrics import NO_METRICS
from flotilla_shared.runtime.kube.resources import VALIDATING_WEBHOOKS
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.testing.apiserver import running
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity

GOOD = {"hosts": ["a.example.com"], "http": [{"route": [{"destination": {"host": "b"}}]}]}
BAD = {"hosts": ["a.example.com"], "http": [{"route": [{"destination": {"host": "b"}, "weight": -1}]}]}
DNS = "istio-galley.istio-system.svc"
RULE = {"match": "", "actions": [{"handler": "h", "instances": ["i"]}]}


def asked(
    spec: Any = GOOD,
    group: str = "networking.istio.io",
    kind: str = "VirtualService",
    operation: str = "CREATE",
    *,
    metadata: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
    old: Any = None,
    **request: Any,
) -> AdmissionRequest:
    written = {
        "apiVersion": f"{group}/v1",
        "kind": kind,
        "metadata": {"name": "a", "namespace": "x", **(metadata or {})},
        "spec": spec,
        **(extra or {}),
    }
    content = {
        "uid": "u",
        "operation": operation,
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": f"{kind.lower()}s"},
        "namespace": "x",
        "name": "a",
        "object": written,
        "oldObject": {**written, "spec": old} if old is not None else None,
        **request,
    }
    return msgspec.convert(content, AdmissionRequest)


class TestAllowed:
    @pytest.mark.parametrize(
        "request_",
        [
            asked(),
            asked(operation="UPDATE", old=BAD),
            asked(group="networking.istio.io", metadata={"name": "", "generateName": "a-"}),
            asked({}, "security.istio.io", "PeerAuthentication"),
            asked(RULE, "config.istio.io", "rule"),
            asked(dryRun=True),
        ],
    )
    def test_what_is_good(self, request_: AdmissionRequest) -> None:
        decision = decide(request_)
        assert (decision.answer.allowed, decision.reason, decision.answer.warnings) == (True, "", ())

    @pytest.mark.parametrize(
        "request_",
        [
            asked(BAD, operation="DELETE"),
            asked(BAD, operation="CONNECT"),
            asked(BAD, operation="UPDATE", subResource="status"),
            asked(BAD, operation="UPDATE", old=GOOD, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ],
    )
    def test_what_is_not_looked_at(self, request_: AdmissionRequest) -> None:
        assert decide(request_).answer.allowed

    @pytest.mark.parametrize(
        ("group", "kind"),
        [("networking.istio.io", "Surprise"), ("example.com", "VirtualService"), ("mesh.istio.io", "MeshConfig")],
    )
    def test_what_galley_does_not_know(self, group: str, kind: str) -> None:
        answer = decide(asked(BAD, group, kind)).answer
        assert answer.allowed
        assert answer.warnings == (f"Galley knows no {kind} of {group}: it is not validated",)

    def test_a_warning(self) -> None:
        answer = decide(asked({**GOOD, "hots": []})).answer
        assert answer.allowed
        assert answer.warnings == ("spec.hots: there is no field 'hots' here; did you mean hosts?",)

    def test_labels_of_what_was_bad_before(self) -> None:
        answer = decide(asked(BAD, operation="UPDATE", old=BAD, metadata={"labels": {"new": "one"}})).answer
        assert answer.allowed
        assert answer.warnings[0].startswith("still wrong: spec.http[0].route[0].weight: ")


class TestRefused:
    @pytest.mark.parametrize(
        ("request_", "reason", "text"),
        [
            (asked(BAD), "invalid_resource", "configuration is invalid: spec.http[0].route[0].weight: "),
            (asked(BAD, operation="UPDATE", old=GOOD), "invalid_resource", "spec.http[0].route[0].weight"),
            (asked({}), "invalid_resource", "configuration is invalid: spec"),
            (asked(extra={"spce": {}}), "yaml_decode_error", 'unknown field "spce" on VirtualService resource x/a'),
            (asked([]), "yaml_decode_error", "cannot decode configuration: Expected `object`"),
            (asked(metadata={"labels": []}), "yaml_decode_error", "cannot decode configuration: "),
            (asked(object=None), "yaml_decode_error", "CREATE without an object"),
            (asked({**RULE, "x": 1}, "config.istio.io", "rule"), "invalid_resource", "spec.x"),
            (asked(metadata={"annotations": {ALWAYS_REJECT: ""}}), "invalid_resource", "is always refused"),
            (
                asked(metadata={"annotations": {"istio.io/dry-run": "true"}}),
                "invalid_resource",
                "only AuthorizationPolicy",
            ),
            (asked(metadata={"annotations": {"internal.istio.io/parents": "x"}}), "invalid_resource", "remove it"),
            (asked(metadata={"labels": {"-bad-": "x"}}), "invalid_resource", "metadata.labels.-bad-"),
            (
                asked(BAD, operation="UPDATE", old=BAD, metadata={"labels": {"-bad-": "x"}}),
                "invalid_resource",
                "metadata.labels",
            ),
        ],
    )
    def test_what_is_bad(self, request_: AdmissionRequest, reason: str, text: str) -> None:
        decision = decide(request_)
        assert (decision.answer.allowed, decision.reason) == (False, reason)
        assert text in decision.answer.message

    def test_many_problems_are_shortened(self) -> None:
        routes = [{"destination": {"host": "b"}, "weight": -1} for _ in range(9)]
        message = decide(asked({"hosts": ["a.example.com"], "http": [{"route": routes}]})).answer.message
        assert message.count("spec.http[0].route[") == 5
        assert message.endswith("more")

    @pytest.mark.parametrize(
        ("action", "value", "allowed"),
        [("DENY", "true", True), ("ALLOW", "F", True), ("CUSTOM", "true", False), ("DENY", "yes", False)],
    )
    def test_dry_runs_of_policies(self, action: str, value: str, allowed: bool) -> None:
        spec = {"action": action, "rules": [{}], **({"provider": {"name": "p"}} if action == "CUSTOM" else {})}
        request_ = asked(
            spec, "security.istio.io", "AuthorizationPolicy", metadata={"annotations": {"istio.io/dry-run": value}}
        )
        assert decide(request_).answer.allowed is allowed


@pytest.fixture
def identity(authority: CertificateAuthorityForTests) -> StaticIdentity:
    return authority.identity("spiffe://cluster.local/ns/istio-system/sa/istio-galley-service-account", DNS)


class TestWebhook:
    @pytest.fixture
    async def serving(self, identity: StaticIdentity) -> AsyncIterator[tuple[int, ServiceMetrics]]:
        metrics = ServiceMetrics("galley")
        server = admission_server(identity, "127.0.0.1", 0, ValidationMetrics(metrics))
        await server.start()
        await server.listening.wait()
        yield server.port, metrics
        await server.stop()

    async def post(self, port: int, authority: CertificateAuthorityForTests, body: bytes) -> httpx.Response:
        context = ssl.create_default_context(cadata=authority.root_pem)
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            return await client.post(
                f"https://127.0.0.1:{port}/validate",
                content=body,
                headers={"content-type": "application/json"},
                extensions={"sni_hostname": DNS},
            )

    async def test_reviews_are_answered_and_counted(
        self, serving: tuple[int, ServiceMetrics], authority: CertificateAuthorityForTests
    ) -> None:
        port, metrics = serving
        for version in ("admission.k8s.io/v1", "admission.k8s.io/v1beta1"):
            for spec, allowed in ((GOOD, True), (BAD, False)):
                review = {
                    "apiVersion": version,
                    "kind": "AdmissionReview",
                    "request": msgspec.to_builtins(asked(spec)),
                }
                found = (await self.post(port, authority, json.dumps(review).encode())).json()
                assert (found["apiVersion"], found["kind"]) == (version, "AdmissionReview")
                assert (found["response"]["uid"], found["response"]["allowed"]) == ("u", allowed)
        await self.post(port, authority, b"")
        text = metrics.render().decode()
        labels = 'group="networking.istio.io",'
        assert f'galley_validation_passed{{{labels}resource="virtualservices",version="v1"}} 2.0' in text
        assert (
            f'galley_validation_failed{{{labels}reason="invalid_resource",resource="virtualservices",version="v1"}} 2.0'
            in text
        )
        assert 'galley_validation_http_error{status="400"} 1.0' in text
        assert 'galley_validation_duration_seconds_count{result="reviewed"} 4.0' in text
        assert 'galley_validation_duration_seconds_count{result="error"} 1.0' in text

    async def test_a_certificate_that_cannot_be_used_leaves_the_one_before(
        self, serving: tuple[int, ServiceMetrics], authority: CertificateAuthorityForTests, identity: StaticIdentity
    ) -> None:
        port, metrics = serving
        good = identity.current
        assert good is not None
        other = authority.certificate(good.spiffe, (DNS,))
        identity.replace(replace(other, key_pem=good.key_pem))
        assert (await self.post(port, authority, b"")).status_code == 400
        text = metrics.render().decode()
        assert 'galley_validation_cert_key_update_errors{error="KEY_VALUES_MISMATCH"} 1.0' in text

    async def test_a_dry_run_is_judged_as_any_other(
        self, serving: tuple[int, ServiceMetrics], authority: CertificateAuthorityForTests
    ) -> None:
        for spec, allowed in ((GOOD, True), (BAD, False)):
            request = msgspec.to_builtins(asked(spec)) | {"dryRun": True}
            review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
            found = (await self.post(serving[0], authority, json.dumps(review).encode())).json()
            assert found["response"]["allowed"] is allowed


class TestTrust:
    async def test_the_caller_trusts_the_file_before_the_certificate(
        self, identity: StaticIdentity, authority: CertificateAuthorityForTests, tmp_path: Path
    ) -> None:
        metrics = ServiceMetrics("galley")
        other = CertificateAuthorityForTests()
        file = tmp_path / "root-cert.pem"
        async with running(VALIDATING_WEBHOOKS) as server:
            server.put(VALIDATING_WEBHOOKS, "istio-galley", webhooks=[{"name": "a", "clientConfig": {}}])
            client = server.client()
            await client.start()
            trusted = TrustedByApiServer(client, "istio-galley", file, identity, ValidationMetrics(metrics), NO_METRICS)
            assert identity.current is not None
            assert trusted.root() == identity.current.root_pem
            file.write_text("no certificate")
            assert trusted.root() == identity.current.root_pem
            await trusted.start()
            await server.until(lambda: trusted.state == "current")
            file.write_text(other.root_pem)
            assert trusted.root() == other.root_pem.encode()
            identity.replace(authority.certificate(identity.current.spiffe, (DNS,)))
            count = "galley_validation_config_updates 2.0"
            await server.until(lambda: count in metrics.render().decode())
            await trusted.stop()
            await client.stop()
        text = metrics.render().decode()
        assert "galley_validation_cert_key_updates 1.0" in text
        assert "galley_validation_config_load_total" not in text
        assert "galley_validation_config_load " in text
        assert identity._subscribers == []
