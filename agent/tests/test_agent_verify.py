"""Proving that a control plane works: over real servers, whole, and with each part of it wrong in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from flotilla_agent.verify import __main__ as command
from flotilla_agent.verify.place import Place
from flotilla_agent.verify.review import ASKED, review
from flotilla_agent.verify.steps import steps
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.kube.admission import AdmissionAnswer, AdmissionRequest
from flotilla_shared.runtime.kube.admission_server import AdmissionServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

ENVIRONMENT = {
    "POD_NAME": "verify-1",
    "POD_NAMESPACE": "mesh",
    "SERVICE_ACCOUNT": "tester",
    "ROOT_NAMESPACE": "mesh",
    "INSTANCE_IP": "10.0.0.9",
}
SERVICES = ("citadel", "galley", "pilot", "mixer")


class ControlPlane:
    """What the steps meet: monitoring of the four, two webhooks, an authority and a Pilot. All real servers."""

    def __init__(self, authority: Any, pilot: Any) -> None:
        self.authority, self.pilot = authority, pilot
        self.unmet: dict[str, str] = {}
        self.answer = AdmissionAnswer(True)
        self.asked: list[tuple[str, str]] = []
        self.monitoring = {service: HttpServer(self._readiness(service), "127.0.0.1", 0) for service in SERVICES}
        self.webhooks: dict[str, AdmissionServer] = {}

    def _readiness(self, service: str) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.get("/readyz")
        async def _readyz() -> JSONResponse:
            reason = self.unmet.get(service)
            return JSONResponse({"conditions": {"certificate": reason or "met"}}, status_code=503 if reason else 200)

        return app

    def _decide(self, request: AdmissionRequest, path: str) -> AdmissionAnswer:
        self.asked.append((path, request.kind.kind))
        return self.answer

    async def start(self, ca: CertificateAuthorityForTests) -> None:
        for each in self.monitoring.values():
            await each.start()
        for service, path in (("galley", "/validate"), ("pilot", "/inject")):
            account = spiffe_id("cluster.local", "mesh", f"istio-{service}-service-account")
            identity = ca.identity(account, f"istio-{service}.mesh.svc")
            self.webhooks[service] = AdmissionServer(identity, {path: self._decide}, "127.0.0.1", 0)
            await self.webhooks[service].start()
            await self.webhooks[service].listening.wait()

    async def stop(self) -> None:
        for each in (*self.monitoring.values(), *self.webhooks.values()):
            await each.stop()

    def addresses(self) -> dict[str, str]:
        """Where the names of the services lead."""
        found = {
            f"istio-{service}.mesh.svc:15014": f"127.0.0.1:{each.ports[0]}" for service, each in self.monitoring.items()
        }
        found |= {f"istio-{service}.mesh.svc:443": f"127.0.0.1:{each.port}" for service, each in self.webhooks.items()}
        found["istio-citadel.mesh.svc:8060"] = f"{self.authority.address}:{self.authority.port}"
        found["istio-pilot.mesh.svc:15012"] = f"{self.pilot.server._address}:{self.pilot.server.bound_port}"
        return found


@pytest.fixture
async def plane(
    new_address: Callable[[], str], tmp_path: Path, make_authority: Callable[..., Any], make_pilot: Callable[..., Any]
) -> AsyncIterator[ControlPlane]:
    authority = make_authority(new_address(), tmp_path / "root.pem", namespace="mesh")
    await authority.start()
    pilot = make_pilot(new_address(), authority.ca, namespace="mesh")
    await pilot.server.start()
    plane = ControlPlane(authority, pilot)
    await plane.start(authority.ca)
    yield plane
    await plane.stop()
    await pilot.server.stop()
    await authority.stop()


@pytest.fixture
def run(
    plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[tuple[bool, list[str]]]]:
    """Verifies; gives whether it holds, and the lines."""
    for path, text in (("istio/root-cert.pem", plane.authority.ca.root_pem), ("tokens/istio-token", "a token")):
        file = tmp_path / "var/run/secrets" / path
        file.parent.mkdir(parents=True)
        file.write_text(text)

    async def verify(
        *, services: tuple[str, ...] = SERVICES, webhooks: tuple[str, ...] = ("galley", "pilot")
    ) -> tuple[bool, list[str]]:
        place = Place.of(ENVIRONMENT, tmp_path, plane.addresses())
        held = await command.verify(steps(place, services, webhooks), 0)
        return held, capsys.readouterr().out.splitlines()

    return verify


async def test_a_whole_control_plane_holds(run: Any, plane: ControlPlane) -> None:
    held, lines = await run()
    assert held
    assert lines == [
        *(f"✓ {service} is ready" for service in SERVICES),
        "✓ citadel signs a certificate for spiffe://cluster.local/ns/mesh/sa/tester",
        "✓ pilot has configuration for a proxy",
        "✓ the webhook of galley answers",
        "✓ the webhook of pilot answers",
    ]
    assert plane.asked == [("/validate", "PeerAuthentication"), ("/inject", "Pod")]
    ((node, identity),) = plane.pilot.callers
    assert node == "sidecar~10.0.0.9~verify-1.mesh~mesh.svc.cluster.local"
    assert identity == "spiffe://cluster.local/ns/mesh/sa/tester", "the certificate of the step before"


async def test_only_what_is_installed_is_asked(run: Any) -> None:
    held, lines = await run(services=("citadel", "galley"), webhooks=("galley",))
    assert held
    assert [line.split()[1] for line in lines] == ["citadel", "galley", "citadel", "the"]


def not_ready(plane: ControlPlane) -> None:
    plane.unmet["galley"] = "CRDs are missing"


def no_signature(plane: ControlPlane) -> None:
    plane.authority.refusal = "the token is for another audience"


def no_clusters(plane: ControlPlane) -> None:
    plane.pilot.resources.clear()


def refusing(plane: ControlPlane) -> None:
    plane.answer = AdmissionAnswer(False, "no")


@pytest.mark.parametrize(
    ("harm", "step", "said"),
    [
        (not_ready, "galley is ready", "certificate: CRDs are missing"),
        (no_signature, "citadel signs", "the token is for another audience"),
        (no_clusters, "pilot has configuration", "has not answered within"),
        (refusing, "the webhook of galley", "refuses what it has nothing to do with"),
    ],
)
async def test_what_does_not_hold_is_told_with_its_reason(
    run: Any,
    plane: ControlPlane,
    harm: Callable[[ControlPlane], None],
    step: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flotilla_agent.verify.steps.CALL_SECONDS", 0.3)
    harm(plane)
    held, lines = await run()
    assert not held
    (line,) = (each for each in lines if each.startswith(f"✗ {step}"))
    assert said in line
    assert len(lines) == 8, "the others are tried all the same"


async def test_a_webhook_with_another_root_is_not_trusted(run: Any, plane: ControlPlane) -> None:
    """As the API server would find it, with the mesh's caBundle."""
    other = CertificateAuthorityForTests()
    await plane.webhooks.pop("pilot").stop()
    identity = other.identity("spiffe://cluster.local/ns/mesh/sa/istio-pilot-service-account", "istio-pilot.mesh.svc")
    plane.webhooks["pilot"] = AdmissionServer(identity, {"/inject": plane._decide}, "127.0.0.1", 0)
    await plane.webhooks["pilot"].start()
    await plane.webhooks["pilot"].listening.wait()
    held, lines = await run()
    assert not held
    assert "certificate verify failed" in lines[-1]


async def test_it_tries_again_until_the_time_is_up(
    run: Any, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def second_time() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise command.Failed("not yet")

    monkeypatch.setattr(command, "RETRY_SECONDS", 0.01)
    assert await command.verify([command.Step("at last", second_time)], 30)
    assert len(tries) == 2


@pytest.mark.parametrize("path", ASKED)
def test_what_is_asked_is_a_dry_run_of_a_whole_review(path: str) -> None:
    asked = review(path, "1")
    assert asked["request"]["uid"] == "1"
    assert asked["request"]["dryRun"] is True
    assert asked["request"]["object"]["kind"] == asked["request"]["kind"]["kind"]


def test_the_command_line() -> None:
    chosen = command.parse(["--services", "citadel,pilot", "--webhooks", "", "--timeout", "5"])
    assert (chosen.services, chosen.webhooks, chosen.timeout) == (["citadel", "pilot"], [], 5.0)
