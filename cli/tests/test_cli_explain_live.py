"""`flotilla explain --pilot`: asked of a Pilot that runs, about a proxy that is connected to it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from flotilla_cli.__main__ import main
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.debug.explain import explain_topic
from flotilla_pilot.servers.debug import debug_app
from flotilla_pilot.testing.edge import Edge, workload
from flotilla_pilot.testing.meshes import read_objects
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.readiness import Readiness

BOOKINFO = Path(__file__).parents[2] / "examples/bookinfo/local"
WEB = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.default.svc.cluster.local]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: all, namespace: default}
spec: {egress: [{bind: 127.0.3.1, hosts: ["*/*"]}]}
"""


@pytest.fixture
async def pilot() -> AsyncGenerator[str]:
    """The debug port of a Pilot to which client-v1 is connected."""
    edge = Edge(Compiler())
    await edge.start()
    edge.publish_objects(read_objects(WEB))
    server = HttpServer(debug_app(Readiness(), {"explain": explain_topic(edge.delivery)}), "127.0.0.1", 0)
    await server.start()
    async with edge.client("delta", workload("client-v1", 2, "client"), "client") as client:
        await client.subscribe("cds")
        await client.taken()
        yield f"127.0.0.1:{server.ports[0]}"
    await server.stop()
    await edge.stop()


async def ask(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["explain", *arguments])


async def test_what_was_sent_is_explained(pilot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ask("--pilot", pilot, "--from", "client-v1", "--to", "web:9080/a", "-H", "x: y") == 0
    out = capsys.readouterr().out
    assert "at the proxy of client-v1.default" in out
    assert "outbound|9080||web.default.svc.cluster.local" in out
    assert "from ServiceEntry default/web" in out
    assert await ask("--pilot", pilot, "--from", "client-v1", "--to", "web:9080", "-o", "json") == 0
    (side,) = json.loads(capsys.readouterr().out)
    assert (side["proxy"], side["error"]) == ("client-v1.default", "")


async def test_a_call_that_ends_is_an_exit_code(pilot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ask("--pilot", pilot, "--from", "client-v1", "--to", "web:1") == 1
    assert "the call ends here: NoListener" in capsys.readouterr().out


async def test_what_pilot_refuses_is_told(pilot: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await ask("--pilot", pilot, "--from", "nobody", "--to", "web:9080") == 1
    assert "no proxy 'nobody' is connected to this Pilot" in capsys.readouterr().err
    assert await ask("--pilot", pilot, "--from", "client-v1", "--to", "web") == 1
    assert "web is no HOST:PORT" in capsys.readouterr().err


async def test_a_pilot_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert await ask("--pilot", "127.0.0.1:1", "--from", "a", "--to", "web:9080") == 1
    assert "Pilot's debug port 127.0.0.1:1 does not answer" in capsys.readouterr().err
