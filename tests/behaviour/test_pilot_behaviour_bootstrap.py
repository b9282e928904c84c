"""EnvoyFilters of the bootstrap from end to end: Pilot's port, the agent that asks, and what Envoy says of the outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from flotilla_agent.bootstrap.bootstrap import make_bootstrap
from flotilla_agent.config import AgentSettings, PilotConfig, WorkloadConfig
from flotilla_agent.envoy.starting import StartingBootstrap
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.testing.discovery import SERVER_NAME
from flotilla_pilot.testing.edge import Edge
from flotilla_pilot.testing.envoy import envoy_binary
from flotilla_pilot.testing.meshes import read_objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILTER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: f, namespace: default}
spec:
  workloadSelector: {labels: {app: web}}
  configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: %s}}]
"""
WORKLOAD = WorkloadConfig(
    name="web-v1",
    namespace="default",
    service_account="web",
    address="127.0.2.1",
    application_address="127.0.1.1",
    labels={"app": "web"},
)


@pytest_asyncio.fixture(loop_scope="module")
async def edge() -> AsyncIterator[Edge]:
    made = Edge(Compiler())
    await made.start()
    yield made
    await made.stop()


async def asked(edge: Edge, folder: Path, value: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The agent's own bootstrap, the one that Envoy is started with, and what the agent tells."""
    edge.publish_objects(read_objects(FILTER % value))
    pilot = PilotConfig(address=f"127.0.0.1:{edge.server.bound_port}", server_name=SERVER_NAME)
    settings = AgentSettings(run_dir=folder, envoy=envoy_binary(), pilot=pilot, bootstrap_seconds=20)
    own = make_bootstrap(settings, WORKLOAD, folder / "sds.sock")
    certificate = edge.authority.certificate("spiffe://cluster.local/ns/default/sa/web")
    starting = StartingBootstrap("web-v1", settings, folder)
    return own, await starting.of(own, certificate), starting.problem


async def test_what_a_patch_states_is_what_envoy_starts_with(edge: Edge, tmp_path: Path) -> None:
    own, made, problem = await asked(edge, tmp_path, "{stats_flush_interval: 7s}")
    assert problem == ""
    assert made["stats_flush_interval"] == "7s"
    assert made["node"] == own["node"]
    assert len(edge.delivery.connections) == 0  # so that the Envoy of this node may come
    assert edge.metric("pilot_xds_bds_reject") == ["pilot_xds_bds_reject 0.0"]


async def test_what_envoy_refuses_is_counted_by_pilot(edge: Edge, tmp_path: Path) -> None:
    own, made, problem = await asked(edge, tmp_path, "{stats_flush_interval: 0s}")
    assert made == own
    assert "BootstrapValidationError.StatsFlushInterval: value must be inside range" in problem
    assert edge.metric("pilot_xds_bds_reject") == ["pilot_xds_bds_reject 1.0"]


async def test_workloads_that_no_patch_is_for_start_as_they_are(edge: Edge, tmp_path: Path) -> None:
    own, _, _ = await asked(edge, tmp_path, "{stats_flush_interval: 7s}")
    edge.publish_objects(read_objects((FILTER % "{stats_flush_interval: 7s}").replace("app: web", "app: other")))
    pilot = PilotConfig(address=f"127.0.0.1:{edge.server.bound_port}", server_name=SERVER_NAME)
    starting = StartingBootstrap("web-v1", AgentSettings(run_dir=tmp_path, pilot=pilot), tmp_path)
    certificate = edge.authority.certificate("spiffe://cluster.local/ns/default/sa/web")
    assert await starting.of(own, certificate) is own
