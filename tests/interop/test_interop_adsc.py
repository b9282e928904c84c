"""What Galley serves over ADS, read by the client that istiod reads it with (istio.io/istio/pkg/adsc)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from flotilla_galley.snapshot.snapshot import make_snapshot
from flotilla_galley.sources.documents import read_objects
from flotilla_galley.testing.wire import NAME, PILOT, GalleyPort
from flotilla_galley.validation.validate import validate_object
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import MESH_CONFIG, by_collection
from flotilla_shared.model.objects import ConfigObject, ObjectKey, content_version
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from tests.interop.build import adsc_client
from tests.kube.cluster.errors import NotPossible

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1500)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "bookinfo" / "local"
Holds = Callable[[dict[str, Any]], bool]


@pytest.fixture(scope="session")
def client() -> Path:
    try:
        return adsc_client()
    except NotPossible as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))


def mesh(domain: str) -> ConfigObject:
    key, spec = ObjectKey(MESH_CONFIG, "istio-system", "istio"), MeshConfig(trust_domain=domain)
    return ConfigObject(key, content_version(key, spec, {}, {}), spec)


def example() -> list[ConfigObject]:
    """The example's configuration, as Galley makes it of its files."""
    found = []
    for file in sorted(EXAMPLE.rglob("*.yaml")):
        for source in read_objects(file.name, file.read_text())[0]:
            item = validate_object(source).item
            found += [item] if item is not None else []
    return found


class Istiod:
    """The client's process, and what it says that it holds."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log = ""

    async def until(self, holds: Holds) -> dict[str, Any]:
        """The first state for which this holds; each is printed whole."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                if not line.startswith(b"{"):
                    self.log += line.decode()  # of the library, which logs to the same place
                    continue
                state: dict[str, Any] = json.loads(line)
                if holds(state):
                    return state
        raise AssertionError("the client has ended")


@asynccontextmanager
async def running(client: Path, port: GalleyPort, folder: Path) -> AsyncIterator[Istiod]:
    certificate = port.authority.certificate(PILOT)
    for name, content in (
        ("root-cert.pem", certificate.root_pem),
        ("cert-chain.pem", certificate.chain_pem),
        ("key.pem", certificate.key_pem),
    ):
        (folder / name).write_bytes(content)
    process = await asyncio.create_subprocess_exec(
        str(client),
        f"--address={port.address}",
        f"--certs={folder}",
        f"--name={NAME}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=2**26,
    )
    try:
        yield Istiod(process)
    finally:
        process.kill()
        await process.communicate()


def held(state: dict[str, Any], type_url: str) -> dict[str, Any]:
    objects: dict[str, Any] = state["objects"][type_url]
    return objects


def read_by_istiod(state: dict[str, Any], item: ConfigObject) -> bool:
    """Whether istiod holds this object: name, version, and every field of it."""
    kind = by_collection(item.key.collection)
    assert kind is not None
    types = [name for name in state["objects"] if name.startswith(f"{kind.group}/") and name.endswith(f"/{kind.kind}")]
    assert len(types) == 1, f"istiod does not ask for {kind.kind}"
    found = held(state, types[0]).get(item.key.full_name)
    if found is None or found["version"] != item.version:
        return False
    return bool(ParseDict(found["spec"], kind.message_class()(), ignore_unknown_fields=False) == item.spec)


async def test_istiods_client_holds_what_galley_has(
    client: Path, authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    items = [item for item in example() if (kind := by_collection(item.key.collection)) and kind.era == "today"]
    assert len(items) > 5
    async with GalleyPort(authority) as port:
        port.distributor.publish(make_snapshot([*items, mesh("one.example")]))
        async with running(client, port, tmp_path) as istiod:
            state = await istiod.until(lambda each: each["trustDomain"] == "one.example")
            assert [str(item.key) for item in items if not read_by_istiod(state, item)] == []
            assert sum(len(each) for each in state["objects"].values()) == len(items)
            port.distributor.publish(make_snapshot([*items[1:], mesh("two.example")], port.distributor.snapshot))
            state = await istiod.until(
                lambda each: each["trustDomain"] == "two.example" and not read_by_istiod(each, items[0])
            )
            assert sum(len(each) for each in state["objects"].values()) == len(items) - 1


async def test_an_empty_mesh_makes_istiod_ready_and_a_change_reaches_it(
    client: Path, authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    entry = next(item for item in example() if item.key.collection.endswith("/serviceentries"))
    async with GalleyPort(authority) as port:
        port.distributor.publish(make_snapshot([]))
        async with running(client, port, tmp_path) as istiod:
            state = await istiod.until(lambda each: True)
            assert not any(state["objects"].values())
            for location in (1, 0):
                spec = type(entry.spec).FromString(entry.spec.SerializeToString())
                spec.location = location
                changed = ConfigObject(entry.key, content_version(entry.key, spec, {}, {}), spec)
                port.distributor.publish(make_snapshot([changed], port.distributor.snapshot))
                await istiod.until(lambda each, item=changed: held_of(each, item))
            port.distributor.publish(make_snapshot([], port.distributor.snapshot))
            await istiod.until(lambda each: not any(each["objects"].values()))


def held_of(state: dict[str, Any], item: ConfigObject) -> bool:
    """The same content; a store of istiod's keeps versions of its own after a change."""
    found = held(state, "networking.istio.io/v1/ServiceEntry").get(item.key.full_name)
    return found is not None and bool(ParseDict(found["spec"], type(item.spec)()) == item.spec)
