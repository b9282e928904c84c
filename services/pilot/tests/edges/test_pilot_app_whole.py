"""A whole Pilot between its neighbours: Citadel, Galley, proxies."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml

from flotilla_pilot.app import Pilot
from flotilla_pilot.config import PilotSettings
from flotilla_pilot.model.snapshot import COLLECTIONS
from flotilla_pilot.testing.discovery import AdsClient
from flotilla_pilot.testing.meshes import Objects, read_objects
from flotilla_pilot.testing.neighbourhood import Neighbourhood
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.settings import SettingsError, load_settings

ROUTE = ObjectKey(kinds.VIRTUAL_SERVICES, "default", "web")


def objects(weight: str = "/") -> Objects:
    return read_objects(f"""
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web, namespace: default}}
spec:
  hosts: [web.example.com]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP}}]
  endpoints: [{{address: 127.0.0.1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web, namespace: default}}
spec:
  hosts: [web.example.com]
  http: [{{match: [{{uri: {{prefix: "{weight}"}}}}], route: [{{destination: {{host: web.example.com}}}}]}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: web, namespace: default}}
spec:
  egress:
  - port: {{number: 15002, protocol: HTTP_PROXY, name: proxy}}
    bind: 127.0.3.1
    hosts: ["*/*"]
""")


@pytest.fixture
async def around(tmp_path: Path) -> AsyncGenerator[Neighbourhood]:
    made = Neighbourhood(tmp_path)
    await made.citadel.start()
    await made.galley.start()
    yield made
    await made.galley.stop()
    await made.citadel.stop()


@pytest.fixture
async def pilot(around: Neighbourhood) -> AsyncGenerator[Pilot]:
    made = Pilot(PilotSettings(**around.settings))  # type: ignore[arg-type]
    await made.lifecycle.start()
    yield made
    await made.lifecycle.stop()


async def serve_one(client: AdsClient) -> None:
    """As Envoy starts, up to the routes."""
    for short, names in (("cds", ()), ("eds", ("outbound|80||web.example.com",)), ("lds", ()), ("rds", ("15002",))):
        await client.subscribe(short, *names)
        await client.taken()


async def test_nothing_is_served_until_every_collection_has_come(pilot: Pilot, around: Neighbourhood) -> None:
    await around.galley.give({name: {} for name in COLLECTIONS if name != kinds.MESH_CONFIG})
    while kinds.MESH_CONFIG not in pilot.store.missing or len(pilot.store.missing) > 1:
        await asyncio.sleep(0.01)
    async with around.proxy() as client:
        await client.subscribe("cds")
        lost = await client.lost()
    assert lost.code is grpc.StatusCode.UNAVAILABLE
    assert kinds.MESH_CONFIG in lost.text
    assert kinds.MESH_CONFIG in (await around.conditions())["configuration"]
    assert (await around.page("debug_port", "/ready")).status_code == 503
    await around.galley.give_all(objects())
    await pilot.readiness.wait()
    assert await around.conditions() == {"certificate": "met", "configuration": "met"}
    assert (await around.page("debug_port", "/ready")).status_code == 200
    async with around.proxy() as client:
        await serve_one(client)


async def test_a_change_goes_out_and_its_acknowledgement_comes_back(pilot: Pilot, around: Neighbourhood) -> None:
    await around.galley.give_all(objects())
    await pilot.readiness.wait()
    async with around.proxy() as client:
        await serve_one(client)
        await around.galley.reported(ROUTE, proxies_concerned=1, proxies_acknowledged=1)
        changed = objects("/shop")
        version = changed[ROUTE.collection][ROUTE].version
        await around.galley.give({ROUTE.collection: changed[ROUTE.collection]})
        response = await client.taken()
        assert (response.type, list(response.resources)) == ("rds", ["15002"])
        status = await around.galley.reported(ROUTE, version=version, proxies_acknowledged=1)
        assert (status.accepted, status.proxies_concerned, status.proxies_rejected) == (True, 1, 0)
    first = around.galley.reports[0]
    assert (first.full, first.reporter.startswith("pilot/")) == (True, True)
    hops = (await around.page("introspection_port", f"/debug/trace?version={version}")).json()["hops"]
    assert [each["hop"] for each in hops] == ["pilot.received", "pilot.compiled", "pilot.sent", "pilot.acked"]
    assert [each["at_ns"] for each in hops] == sorted(each["at_ns"] for each in hops)


async def test_it_goes_on_without_galley_and_takes_up_again(pilot: Pilot, around: Neighbourhood) -> None:
    await around.galley.give_all(objects())
    await pilot.readiness.wait()
    await around.galley.stop()
    async with around.proxy() as client:
        await serve_one(client)
        assert pilot.readiness.ready
        await around.galley.start()
        await around.galley.give({ROUTE.collection: objects("/new")[ROUTE.collection]})
        assert (await client.taken()).type == "rds"


async def test_a_renewed_certificate_moves_to_a_new_stream_without_a_pause(pilot: Pilot, around: Neighbourhood) -> None:
    await around.galley.give_all(objects())
    await pilot.readiness.wait()
    async with around.proxy() as client:
        await serve_one(client)
        asked = len(around.galley.asked)
        await pilot.identity.renew()
        assert around.citadel.signed == 2
        await around.galley.give({ROUTE.collection: objects("/renewed")[ROUTE.collection]})
        assert (await client.taken()).type == "rds"
        while not any("default/web" in each.initial_resource_versions for each in around.galley.asked[asked:]):
            await asyncio.sleep(0.01)


async def test_without_citadel_it_says_so_and_waits(around: Neighbourhood) -> None:
    await around.citadel.stop()
    pilot = Pilot(PilotSettings(**around.settings))  # type: ignore[arg-type]
    starting = asyncio.create_task(pilot.lifecycle.start())
    try:
        while "Citadel" not in pilot.readiness.unmet_reasons().get("certificate", ""):
            await asyncio.sleep(0.01)
        assert not starting.done()
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await pilot.lifecycle.stop()


async def test_stop_ends_streams_first(around: Neighbourhood) -> None:
    pilot = Pilot(PilotSettings(**around.settings))  # type: ignore[arg-type]
    await pilot.lifecycle.start()
    await around.galley.give_all(objects())
    await pilot.readiness.wait()
    async with around.proxy() as client:
        await serve_one(client)
        stopping = asyncio.create_task(pilot.lifecycle.stop())
        lost = await client.lost()
        await stopping
    assert (lost.code, lost.text) == (grpc.StatusCode.UNAVAILABLE, "Pilot is stopping")


async def test_metrics_and_pages(pilot: Pilot, around: Neighbourhood) -> None:
    await around.galley.give_all(objects())
    await pilot.readiness.wait()
    text = (await around.page("monitoring_port", "/metrics")).text
    for line in ("pilot_services 1.0", "pilot_virt_services 1.0", "pilot_configuration_source_connected 1.0"):
        assert line in text.splitlines()
    assert "config_dump" in (await around.page("introspection_port", "/")).text
    answer = (await around.page("introspection_port", "/debug/config_dump?proxyID=x")).json()
    assert answer == {"error": "Proxy not connected to this Pilot instance. It may be connected to another instance."}


async def test_the_process_serves_and_ends_at_sigterm(around: Neighbourhood, tmp_path: Path) -> None:
    file = tmp_path / "pilot.yaml"
    file.write_text(yaml.safe_dump(around.settings))
    await around.galley.give_all(objects())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "flotilla_pilot", "serve", "--config", str(file), stderr=subprocess.PIPE
    )
    try:
        await served(around)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, errors.decode()
    assert b"Traceback" not in errors


async def served(around: Neighbourhood) -> None:
    while True:
        try:
            if (await around.page("debug_port", "/ready")).status_code == 200:
                break
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.05)
    async with around.proxy() as client:
        await serve_one(client)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"galley_adress": "x"}, "did you mean galley_address"),
        ({"debounce_seconds": 5, "debounce_max_seconds": 1}, "debounce_max_seconds must not be below"),
        ({"xds_port": "many"}, "xds_port"),
        ({"send_timeout_seconds": 0}, "send_timeout_seconds"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    file = tmp_path / "pilot.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(SettingsError, match=words):
        load_settings(PilotSettings, "pilot", file)


def test_server_names_follow_the_root_namespace() -> None:
    settings = PilotSettings(root_namespace="mesh")
    assert settings.server_name("galley", settings.galley_server_name) == "istio-galley.mesh.svc"
    assert settings.server_name("galley", "given.example") == "given.example"
