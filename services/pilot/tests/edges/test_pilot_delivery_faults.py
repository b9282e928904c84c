"""Faults of the compiler as operators see them: the state of the object at fault, what is counted, what is served."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from flotilla_pilot.compile import compiler, virtual_hosts
from flotilla_pilot.compile.containment import ContainedCompiler
from flotilla_pilot.status.reporter import object_states
from flotilla_pilot.testing.edge import Edge
from flotilla_pilot.testing.meshes import read_objects
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.streams.status import ObjectState

TEXT = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: default}
spec:
  hosts: [web.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec: {hosts: [web.example.com], http: [{route: [{destination: {host: web.example.com}}]}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: web, namespace: default}
spec: {egress: [{hosts: ["*/*"]}]}
"""
OBJECTS = read_objects(TEXT)


@pytest.fixture
async def running() -> AsyncGenerator[Edge]:
    edge = Edge(ContainedCompiler())
    await edge.start()
    yield edge
    await edge.stop()


def fail(*_: Any) -> None:
    raise RuntimeError("a step is broken")


def state_of(edge: Edge, collection: str) -> ObjectState:
    return object_states(edge.delivery)[ObjectKey(collection, "default", "web")]


async def test_who_was_left_out_is_told(running: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_hosts, "translate", fail)
    running.publish_objects(OBJECTS)
    async with running.client("delta") as client:
        await client.subscribe("cds")
        assert "outbound|80||web.example.com" in (await client.taken()).resources
        state = state_of(running, kinds.VIRTUAL_SERVICES)
    assert not state.accepted
    assert [each.code for each in state.problems] == ["compile-failed"]
    assert state_of(running, kinds.SERVICE_ENTRIES).accepted


async def test_who_keeps_proxies_from_news_is_told(running: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy goes on with what it has, and that is counted."""
    running.publish_objects(OBJECTS)
    async with running.client("delta") as client:
        await client.subscribe("cds")
        await client.taken()
        whole = compiler.sidecar_scope
        monkeypatch.setattr(compiler, "sidecar_scope", lambda *given: fail() if given[2] else whole(*given))
        running.publish_objects({**OBJECTS, kinds.VIRTUAL_SERVICES: {}})
        async with asyncio.timeout(50):
            while not running.delivery.withheld:
                running.delivery.changed.clear()
                await running.delivery.changed.wait()
        state = state_of(running, kinds.SIDECARS)
        assert not state.accepted
        assert [each.code for each in state.problems] == ["compile-failed"]
        assert [line for line in running.metric("pilot_total_xds_internal_errors") if not line.endswith(" 0.0")]
        assert len(list(running.delivery.connections)) == 1
