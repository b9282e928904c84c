"""AdmissionReviews, decided purely; and the HTTPS server, as an API server calls it."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from flotilla_shared.runtime.kube import admission
from flotilla_shared.runtime.kube.admission import AdmissionAnswer, AdmissionRequest, Reply, refuse_head, review
from flotilla_shared.runtime.kube.admission_server import AdmissionServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity

V1, V1BETA1 = admission.VERSIONS
DNS = "istio-galley.istio-system.svc"
IDENTITY = "spiffe://cluster.local/ns/istio-system/sa/istio-galley-service-account"


def asked(version: str = V1, **request: Any) -> bytes:
    content = {"uid": "u-1", "operation": "CREATE", "object": {"kind": "Thing"}, **request}
    return json.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": content}).encode()


def allow(request: AdmissionRequest, path: str) -> AdmissionAnswer:
    return AdmissionAnswer(True)


def answer(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.body)
    return found


class TestReview:
    @pytest.mark.parametrize("version", [V1, V1BETA1])
    def test_the_version_and_uid_are_echoed(self, version: str) -> None:
        found = answer(review(asked(version), "/validate", allow))
        assert found == {
            "apiVersion": version,
            "kind": "AdmissionReview",
            "response": {"uid": "u-1", "allowed": True},
        }

    def test_what_is_asked(self) -> None:
        heard: list[tuple[AdmissionRequest, str]] = []

        def decide(request: AdmissionRequest, path: str) -> AdmissionAnswer:
            heard.append((request, path))
            return AdmissionAnswer(True)

        body = asked(
            kind={"group": "g", "version": "v1", "kind": "Thing"},
            resource={"group": "g", "version": "v1", "resource": "things"},
            subResource="status",
            name="n",
            namespace="ns",
            userInfo={"username": "somebody", "groups": ["system:masters"], "extra": {}},
            oldObject={"kind": "Thing", "spec": {}},
            dryRun=True,
            options={"kind": "CreateOptions"},
        )
        review(body, "/inject/a/b", decide)
        ((request, path),) = heard
        assert (request.kind.kind, request.resource.resource, request.sub_resource) == ("Thing", "things", "status")
        assert (request.name, request.namespace, request.dry_run) == ("n", "ns", True)
        assert (request.user_info.username, request.user_info.groups) == ("somebody", ("system:masters",))
        assert (request.object, request.old_object) == ({"kind": "Thing"}, {"kind": "Thing", "spec": {}})
        assert path == "/inject/a/b"

    def test_no(self) -> None:
        reply = review(asked(), "/", lambda request, path: AdmissionAnswer(False, "spec.x: it is wrong", code=422))
        assert answer(reply)["response"] == {
            "uid": "u-1",
            "allowed": False,
            "status": {"message": "spec.x: it is wrong", "code": 422},
        }

    def test_a_patch(self) -> None:
        operations = [{"op": "add", "path": "/a", "value": 1}]
        response = answer(review(asked(), "/", lambda request, path: AdmissionAnswer(True, patch=operations)))[
            "response"
        ]
        assert response["patchType"] == "JSONPatch"
        assert json.loads(base64.b64decode(response["patch"])) == operations

    def test_warnings_fit(self) -> None:
        warnings = ("short", "x" * 500, *("y" * 250 for _ in range(30)))
        shown = answer(review(asked(), "/", lambda request, path: AdmissionAnswer(True, warnings=warnings)))
        found = shown["response"]["warnings"]
        assert found[0] == "short"
        assert found[1] == "x" * 253 + "..."
        assert found[-1] == f"and {32 - len(found) + 1} more"
        assert sum(map(len, found)) < 4200

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"{", "could not decode the review"),
            (b"\xff", "could not decode the review"),
            (b"[]", "could not decode the review"),
            (b'{"apiVersion":"v1","kind":"Pod"}', "this is v1 Pod, not an AdmissionReview"),
            (asked("admission.k8s.io/v2"), "this is admission.k8s.io/v2 AdmissionReview"),
            (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "the review holds no request"),
            (asked(object="text"), "could not decode the review"),
            (b'{"request":{"uid":"u","object":{"a":' + b"[" * 100_000, "could not decode the review"),
        ],
    )
    def test_what_is_no_review(self, body: bytes, text: str) -> None:
        reply = review(body, "/", allow)
        response = answer(reply)["response"]
        assert response["allowed"] is False
        assert text in response["status"]["message"]
        assert reply.error

    @pytest.mark.parametrize(
        ("depth", "allowed"), [(1, True), (admission.DEPTH, True), (admission.DEPTH + 1, False), (300, False)]
    )
    def test_deep_objects(self, depth: int, allowed: bool) -> None:
        whole: Any = {}
        for number in range(depth - 1):
            whole = [whole] if number % 2 and number < depth - 2 else {"a": whole}
        for key in ("object", "oldObject"):
            assert answer(review(asked(**{key: whole}), "/", allow))["response"]["allowed"] is allowed

    def test_nothing(self) -> None:
        assert (review(b"", "/", allow).status, review(b"", "/", allow).body) == (400, b"no body found")

    @pytest.mark.parametrize(
        ("content_type", "status"),
        [
            ("application/json", None),
            ("Application/JSON; charset=utf-8", None),
            ("", 415),
            ("text/plain", 415),
            ("application/jsonp", 415),
        ],
    )
    def test_content_types(self, content_type: str, status: int | None) -> None:
        refused = refuse_head(content_type)
        assert (refused.status if refused else None) == status


class Serving:
    """The server, an authority, and a client that trusts it."""

    def __init__(self, authority: CertificateAuthorityForTests) -> None:
        self.authority = authority
        self.identity = StaticIdentity(authority.certificate(IDENTITY, (DNS,)))
        self.replies: list[Reply] = []
        self.server = AdmissionServer(
            self.identity,
            {"/validate": self.decide, "/inject": self.decide},
            "127.0.0.1",
            0,
            on_reply=self.replies.append,
        )
        self.paths: list[str] = []

    def decide(self, request: AdmissionRequest, path: str) -> AdmissionAnswer:
        self.paths.append(path)
        if request.operation == "CONNECT":
            raise RuntimeError("a defect")
        return AdmissionAnswer(True)

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
        context = ssl.create_default_context(cadata=self.authority.root_pem)
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            return await client.post(
                f"https://127.0.0.1:{self.server.port}{path}",
                content=body,
                headers={"content-type": content_type},
                extensions={"sni_hostname": DNS},
            )

    async def serial(self) -> int:
        """Of the certificate that a new connection is shown."""
        context = ssl.create_default_context(cadata=self.authority.root_pem)
        _, writer = await asyncio.open_connection("127.0.0.1", self.server.port, ssl=context, server_hostname=DNS)
        shown = writer.get_extra_info("ssl_object").getpeercert()
        writer.close()
        await writer.wait_closed()
        return int(shown["serialNumber"], 16)


@pytest.fixture
async def serving(authority: CertificateAuthorityForTests) -> AsyncIterator[Serving]:
    found = Serving(authority)
    await found.server.start()
    await found.server.listening.wait()
    yield found
    await found.server.stop()


class TestServer:
    async def test_a_call(self, serving: Serving) -> None:
        for path in ("/validate", "/inject/cluster/one"):
            found = await serving.post(path, asked())
            assert (found.status_code, found.json()["response"]["allowed"]) == (200, True)
        assert serving.paths == ["/validate", "/inject/cluster/one"]
        assert [each.error for each in serving.replies] == ["", ""]
        assert (await serving.post("/elsewhere", asked())).status_code == 404

    @pytest.mark.parametrize(
        ("body", "content_type", "status"),
        [(b"", "application/json", 400), (asked(), "text/plain", 415), (b"{", "application/json", 200)],
    )
    async def test_bad_calls(self, body: bytes, content_type: str, status: int, serving: Serving) -> None:
        assert (await serving.post("/validate", body, content_type)).status_code == status
        assert serving.replies[0].error

    async def test_a_body_that_is_too_long(self, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flotilla_shared.runtime.kube.admission_server.BODY_BYTES", 1000)
        assert (await serving.post("/validate", asked(name="x" * 1000))).status_code == 413

    async def test_a_body_that_does_not_come(self, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flotilla_shared.runtime.kube.admission_server.READ_SECONDS", 0.01)
        context = ssl.create_default_context(cadata=serving.authority.root_pem)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", serving.server.port, ssl=context, server_hostname=DNS
        )
        writer.write(
            b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
        )
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()

    async def test_a_defect_is_500(self, serving: Serving) -> None:
        found = await serving.post("/validate", asked(operation="CONNECT"))
        assert (found.status_code, serving.replies[0].error) == (500, "internal")

    async def test_a_renewed_certificate_is_shown(self, serving: Serving) -> None:
        assert serving.identity.current is not None
        assert await serving.serial() == serving.identity.current.serial
        renewed = serving.authority.certificate(IDENTITY, (DNS,))
        serving.identity.replace(renewed)
        assert await serving.serial() == renewed.serial
        await serving.server.stop()
        assert serving.identity._subscribers == []

    async def test_it_answers_for_a_while_after_it_was_told_to_stop(
        self, authority: CertificateAuthorityForTests, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lingering, over = asyncio.Event(), asyncio.Event()

        async def linger(seconds: float) -> None:
            assert seconds == 3
            lingering.set()
            await over.wait()

        monkeypatch.setattr("flotilla_shared.runtime.kube.admission_server._linger", linger)
        serving = Serving(authority)
        serving.server._linger_seconds = 3
        await serving.server.start()
        await serving.server.listening.wait()
        stopping = asyncio.create_task(serving.server.stop())
        await lingering.wait()
        assert (await serving.post("/validate", asked())).status_code == 200
        over.set()
        await stopping

    async def test_it_waits_for_a_certificate(self, authority: CertificateAuthorityForTests) -> None:
        serving = Serving(authority)
        certificate, serving.identity.current = serving.identity.current, None
        there = asyncio.Event()

        async def wait() -> Any:
            await there.wait()
            return certificate

        serving.identity.wait = wait  # type: ignore[method-assign]
        await serving.server.start()
        assert not serving.server.listening.is_set()
        there.set()
        await serving.server.listening.wait()
        assert (await serving.post("/validate", asked())).status_code == 200
        await serving.server.stop()

    async def test_stopped_before_there_was_one(self, authority: CertificateAuthorityForTests) -> None:
        serving = Serving(authority)
        serving.identity.wait = asyncio.Event().wait  # type: ignore[method-assign,assignment]
        await serving.server.start()
        await serving.server.stop()
