"""The exec probe of a service."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from flotilla_shared.runtime.command import service_command
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.monitoring import monitoring_app
from flotilla_shared.runtime.probe import probe, seconds_of
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.settings import ServiceSettings


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
async def port(readiness: Readiness) -> AsyncIterator[int]:
    server = HttpServer(monitoring_app(ServiceMetrics("galley"), readiness, {}), "127.0.0.1", 0)
    await server.start()
    yield server.ports[0]
    await server.stop()


async def test_what_the_service_says(port: int, readiness: Readiness) -> None:
    condition = readiness.condition("configuration read")
    for address in ("127.0.0.1", "0.0.0.0", ""):
        assert await asyncio.to_thread(probe, address, port, "/healthz") == ""
    said = await asyncio.to_thread(probe, "127.0.0.1", port)
    assert said.startswith('/readyz says 503: {"ready":false')
    condition.met()
    assert await asyncio.to_thread(probe, "127.0.0.1", port) == ""
    assert "404" in await asyncio.to_thread(probe, "127.0.0.1", port, "/nothing")


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "no answer from port" in probe("127.0.0.1", taken.getsockname()[1])


def test_somebody_who_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in probe("127.0.0.1", silent.getsockname()[1], seconds=0.05)


async def run(settings: ServiceSettings) -> int:
    raise AssertionError("it must not serve")


async def test_the_command(port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLOTILLA_GALLEY_MONITORING_PORT", str(port))
    arguments = ["probe", "--probe-path", "/healthz", "--interval", "10s"]
    assert await asyncio.to_thread(service_command, "galley", ServiceSettings, run, arguments) == 0
    assert (
        await asyncio.to_thread(service_command, "galley", ServiceSettings, run, ["probe", "--probe-path", "/no"]) == 1
    )
    assert "galley: /no says 404" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        service_command("galley", ServiceSettings, run, ["probe", "--interval", "soon"])


def test_another_word_for_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[str] = []
    monkeypatch.setattr("flotilla_shared.runtime.command._serve", lambda service, *_: served.append(service) or 0)
    assert service_command("galley", ServiceSettings, run, ["server"]) == 0
    assert served == ["galley"]
    assert "flotilla_shared.runtime.command" in sys.modules


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2.0), ("500ms", 0.5), ("1m", 60.0), ("1.5", 1.5)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-1s", "2h", "s", "1e3", "٣s"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2s"):
        seconds_of(text)
