"""Each backend of the example by itself: a Mixer with its rule is told of calls, and the backend has each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from flotilla_cli.demo.backends import CONFIG, INSTANCES, Backend, chosen, configuration
from flotilla_cli.demo.telling import trace
from flotilla_cli.example import telemetry_directory
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import Running, running_mixer
from flotilla_shared.model.expressions import Duration, Timestamp
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

pytestmark = pytest.mark.real

DIRECTORY = telemetry_directory()
CALLS = {"productpage": 3, "details": 4, "reviews": 5, "ratings": 6}
OF_MEMORY = ("memquota",)
"""Those that read Mixer's own port of a mesh: the demo plays them."""
TOOK = 5_000_000  # nanoseconds
CLIENT = NativeClient(222)


@pytest.fixture(params=[name for name in chosen("all", DIRECTORY) if name not in OF_MEMORY])
def backend(request: pytest.FixtureRequest, page_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    found = Backend(request.param, DIRECTORY, f"127.0.0.1:{page_port}")
    try:
        found.begin()
        if found.missing:
            pytest.skip(found.missing)
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found
    finally:
        found.stop()


@pytest.fixture
def page_port() -> int:
    return free_port()


async def test_a_backend_is_told_of_every_call(backend: Backend, page_port: int) -> None:
    instances = (DIRECTORY / CONFIG / f"{INSTANCES}.yaml").read_text()
    async with running_mixer(
        CertificateAuthorityForTests(), prometheus_port=page_port, secret_folders=["/"]
    ) as running:
        await running.put(instances, configuration(DIRECTORY, backend))
        before = backend.calls()
        await call_all(running)
        async with asyncio.timeout(60):
            while not all(backend.calls()[name] - before[name] == CALLS[name] for name in backend.services):
                await asyncio.sleep(0.1)
        assert running.galley.refused == []


async def call_all(running: Running) -> None:
    """Each call is asked about, with both quotas, and reported."""
    assert running.mixer.plaintext is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        bags = [bag(name, number) for name, count in CALLS.items() for number in range(count)]
        for each in bags:
            name = each["destination.service.name"]
            quotas = {"details": {"shared-calls": (1, False)}, "reviews": {"own-calls": (1, False)}}.get(str(name))
            await CLIENT.check(channel, CLIENT.check_request(each, quotas, str(each["request.id"])))
        await CLIENT.report(channel, CLIENT.report_request(bags))


def bag(name: str, number: int) -> dict[str, object]:
    begun = time.time_ns() - TOOK
    return {
        "context.protocol": "http",
        "context.reporter.kind": "inbound",
        "source.workload.name": "productpage-v1",
        "destination.service.name": name,
        "destination.namespace": "default",
        "request.method": "GET",
        "request.time": Timestamp(begun),
        "response.time": Timestamp(begun + TOOK),
        "response.duration": Duration(TOOK),
        "request.headers": trace(),
        "request.path": f"/{name}/0",
        "request.id": f"{name}-{number}",
        "response.code": 200,
    }


def test_every_backend_is_played_somewhere() -> None:
    assert set(OF_MEMORY) < set(chosen("all", DIRECTORY))
    assert Path(DIRECTORY / "README.md").is_file()
