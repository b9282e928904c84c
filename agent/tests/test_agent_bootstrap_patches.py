"""EnvoyFilters of the bootstrap: asked for before a real Envoy starts, taken or left, and told."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from google.protobuf import json_format

from flotilla_agent.bootstrap.bootstrap import make_bootstrap
from flotilla_agent.bootstrap.patching import PatchRefused, patched
from flotilla_agent.status.state import State
from flotilla_shared.model.envoy_values import load_types

BOOTSTRAP = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap"
NODE = "sidecar~{0.application_address}~reviews-v1.default~default.svc.cluster.local"


def stating(content: dict[str, Any]) -> Bootstrap:
    load_types(content)
    return json_format.ParseDict(content, Bootstrap())


def limit(connections: int) -> dict[str, Any]:
    kind = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    config = {"@type": f"type.googleapis.com/{kind}", "max_active_downstream_connections": connections}
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"overload_manager": {"resource_monitors": [{"name": name, "typed_config": config}]}}


TAGS = {"stats_config": {"stats_tags": [{"tag_name": "response_code", "regex": "_rq(_(\\d{3}))$"}]}}


async def started_with(config: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = (await client.get(f"http://{config.address}:15000/config_dump")).json()
    return next(each["bootstrap"] for each in answer["configs"] if "bootstrap" in each)


async def test_envoy_starts_with_what_patches_state(new_fleet, new_workload, pilot, until):
    pilot.resources[BOOTSTRAP].append(stating({**TAGS, **limit(77), "stats_flush_interval": "7.5s"}))
    config = new_workload()
    (workload,) = (await new_fleet(config)).workloads
    await until(workload, State.READY)
    found = await started_with(config)
    assert found["stats_flush_interval"] == "7.500s"
    assert found["stats_config"]["stats_tags"][0]["tag_name"] == "response_code"
    (monitor,) = found["overload_manager"]["resource_monitors"]
    assert monitor["typed_config"]["max_active_downstream_connections"] == "77"
    assert found["node"]["id"] == NODE.format(config)
    assert pilot.agents == [(NODE.format(config), "spiffe://cluster.local/ns/default/sa/bookinfo-reviews")]
    assert (pilot.rejections, workload.reason) == ([], "")


async def test_what_envoy_refuses_is_told_to_pilot_and_here_and_envoy_starts_without(
    new_fleet, new_workload, pilot, until
):
    pilot.resources[BOOTSTRAP].append(stating({"static_resources": {"clusters": [{"name": "x"}, {"name": "x"}]}}))
    config = new_workload()
    (workload,) = (await new_fleet(config)).workloads
    await until(workload, State.READY, saying="without the EnvoyFilters that patch its bootstrap")
    assert workload.reason.endswith("its bootstrap: cluster manager: duplicate cluster 'x'")
    assert "duplicate" in pilot.rejections[0]
    assert list(workload.folder.glob("proposed-*")) == []
    assert not any(each["name"] == "x" for each in (await started_with(config))["static_resources"]["clusters"])


async def test_without_pilot_envoy_starts_with_what_was_last_told(new_fleet, new_workload, pilot, until):
    pilot.resources[BOOTSTRAP].append(stating({"stats_flush_interval": "8s"}))
    config = new_workload()
    (workload,) = (await new_fleet(config)).workloads
    await until(workload, State.READY)
    await pilot.server.stop()
    first = workload.envoy.pid
    os.kill(first, signal.SIGKILL)
    while workload.envoy.pid in (first, None):
        await asyncio.sleep(0.02)
    await until(workload, State.STARTING, saying="Pilot at")
    assert (await started_with(config))["stats_flush_interval"] == "8s"


async def test_nobody_is_asked_where_no_time_is_given(new_fleet, new_workload, pilot, until):
    pilot.resources[BOOTSTRAP].append(stating({"stats_flush_interval": "8s"}))
    (workload,) = (await new_fleet(new_workload(), bootstrap_seconds=0)).workloads
    await until(workload, State.READY)
    assert pilot.agents == []


@pytest.fixture
def own(new_settings, new_workload) -> dict[str, Any]:
    return make_bootstrap(new_settings(), new_workload(), Path("/tmp/sds"))  # a name in a text


def test_what_ties_envoy_to_agent_and_pilot_stays(own):
    place = {"socket_address": {"address": "192.0.2.1", "port_value": 1}}
    found = patched(
        own,
        stating(
            {
                "node": {"id": "x"},
                "admin": {"address": place, "profile_path": "/tmp/p"},  # a name in a text
                "dynamic_resources": {"lds_config": {"path_config_source": {"path": "/x"}}},
                "static_resources": {"clusters": [{"name": "xds-grpc"}, {"name": "mine"}]},
            }
        ).SerializeToString(),
    )
    assert found["node"] == own["node"]
    assert found["admin"] == {**own["admin"], "profile_path": "/tmp/p"}  # a name in a text
    assert set(found["dynamic_resources"]) == set(own["dynamic_resources"])
    assert "path_config_source" not in found["dynamic_resources"]["lds_config"]
    names = [each["name"] for each in found["static_resources"]["clusters"]]
    assert names == [*(each["name"] for each in own["static_resources"]["clusters"]), "mine"]


def test_lists_are_joined_and_a_name_is_the_patchs(own):
    layers = [{"name": "static", "static_layer": {"a.b": 1}}, {"name": "more", "static_layer": {}}]
    found = patched(own, stating({"layered_runtime": {"layers": layers}}).SerializeToString())
    assert [each["name"] for each in found["layered_runtime"]["layers"]] == ["static", "more"]
    assert found["layered_runtime"]["layers"][0]["static_layer"] == {"a.b": 1.0}


@pytest.mark.parametrize(
    "patch",
    [
        b"\x0a\xff",
        Bootstrap(stats_sinks=[{"name": "x", "typed_config": {"type_url": "x/none.Such"}}]).SerializeToString(),
    ],
)
def test_what_is_no_bootstrap_is_refused(own, patch):
    with pytest.raises(PatchRefused):
        patched(own, patch)
