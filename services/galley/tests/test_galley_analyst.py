"""What analyzers say of custom resources gets into their status, and out of it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.resource import Resource as Analyzed
from flotilla_galley.app import Galley
from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.cluster import Cluster
from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.status.analyst import HELD, AnalysisMetrics, Analyst, analyzers_of_galley
from flotilla_galley.validation.validate import validate_object
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import SERVICE_ENTRIES
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, CRDS, LEASES, VALIDATING_WEBHOOKS, Resource
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.testing.apiserver import ApiServer, running
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

ENTRIES = Resource("networking.istio.io", "v1", "serviceentries", True, "ServiceEntry")
TCP = {"hosts": ["db.example.com"], "resolution": "DNS", "ports": [{"number": 5432, "name": "tcp", "protocol": "TCP"}]}
OBJECT = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: db}\nspec: {hosts: [a.com], ports: [{number: 1, name: tcp, protocol: TCP}]}\n"


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(CONFIG_MAPS, CRDS, LEASES, VALIDATING_WEBHOOKS, ENTRIES) as found:
        found.put(LEASES, "istio-galley-leader", "istio-system")
        yield found


@pytest.fixture
async def galley(
    server: ApiServer, authority: CertificateAuthorityForTests, tmp_path: Path
) -> AsyncIterator[Callable[..., Galley]]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"{{current-context: c, contexts: [{{name: c, context: {{cluster: k}}}}],"
        f" clusters: [{{name: k, cluster: {{server: '{server.url}'}}}}]}}"
    )
    made: list[Galley] = []

    def make(**settings: Any) -> Galley:
        ports = dict.fromkeys(("monitoring_port", "introspection_port", "mcp_port", "admission_port"), 0)
        place = {"last_good_dir": tmp_path / "kept", "root_cert_file": tmp_path / "none", "address": "127.0.0.1"}
        given = {**ports, **place, "debounce_seconds": 0.001, "pod_name": "galley-0", **settings}
        found = Galley(GalleySettings(platform="kubernetes", kubeconfig=kubeconfig, **given), signer=authority)
        assert isinstance(found.platform, Cluster)
        found.platform.status._interval_seconds = found.platform.analyst._interval_seconds = 0.01
        made.append(found)
        return found

    yield make
    for each in made:
        await each.lifecycle.stop()


def put(server: ApiServer, name: str = "db", **spec: Any) -> None:
    server.put(ENTRIES, name, "x", spec={**TCP, **spec})


def messages(server: ApiServer, name: str = "db") -> list[tuple[str, str]]:
    """(code, level) of those that are not validation's own."""
    status = server.get(ENTRIES, name, "x").get("status", {})
    found = [(each["type"]["code"], each["level"]) for each in status.get("validationMessages", [])]
    return [each for each in found if each[0] != "IST0133"]


def passed(server: ApiServer) -> bool:
    return bool(server.get(ENTRIES, "db", "x").get("status", {}).get("conditions"))


async def until(server: ApiServer, holds: Callable[[], object]) -> None:
    await server.until(holds)


async def test_a_message_comes_and_goes_with_its_reason(server: ApiServer, galley: Callable[..., Galley]) -> None:
    put(server)
    found = galley(enable_analysis=True)
    await found.lifecycle.start()
    await until(server, lambda: messages(server) == [("IST0134", "WARNING")])
    put(server, addresses=["10.0.0.1"])
    await until(server, lambda: messages(server) == [])
    put(server, "other", addresses=["10.0.0.1"], ports=[{"number": 5432, "name": "tls", "protocol": "TLS"}])
    await until(server, lambda: messages(server) == messages(server, "other") == [("IST0177", "WARNING")])
    assert "galley_analysis_failures_total 0.0" in found.metrics.render().decode()


async def test_the_mesh_configuration_counts(server: ApiServer, galley: Callable[..., Galley]) -> None:
    metadata = {"ISTIO_META_DNS_CAPTURE": "true", "ISTIO_META_DNS_AUTO_ALLOCATE": "true"}
    put(server)
    await galley(enable_analysis=True).lifecycle.start()
    await until(server, lambda: messages(server) == [("IST0134", "WARNING")])
    mesh = "defaultConfig: {proxyMetadata: " + str(metadata).replace("'", '"') + "}"
    server.put(CONFIG_MAPS, "istio", "istio-system", data={"mesh": mesh})
    await until(server, lambda: messages(server) == [])


async def test_it_is_off_unless_it_is_asked_for(server: ApiServer, galley: Callable[..., Galley]) -> None:
    put(server)
    found = galley()
    await found.lifecycle.start()
    await until(server, lambda: passed(server))
    assert messages(server) == []
    assert "galley_analysis_runs_total 0.0" in found.metrics.render().decode()


def test_only_what_galley_holds_is_asked_for() -> None:
    found = analyzers_of_galley()
    assert {each.name for each in found} >= {"serviceentry.Analyzer", "virtualservice.DestinationRuleAnalyzer"}
    assert all(HELD.issuperset(each.reads) for each in found)


async def test_an_analyzer_that_fails_is_counted_and_told(one: Callable[[str], SourceObject]) -> None:
    def fails(resource: Analyzed, view: View) -> Iterator[Message]:
        raise RuntimeError("a defect")

    item = validate_object(one(OBJECT)).item
    assert item is not None
    told: asyncio.Queue[list[ObjectKey]] = asyncio.Queue()
    metrics = ServiceMetrics("galley")
    analyst = Analyst(
        lambda: [item], MeshConfig, lambda keys: told.put_nowait(list(keys)), AnalysisMetrics(metrics), 0.001
    )
    analyst._analyzers = (Analyzer("a.Fails", "", (SERVICE_ENTRIES,), {SERVICE_ENTRIES: fails}),)
    await analyst.start()
    analyst.touch()  # does not lead: nothing happens
    analyst.lead()
    (key,) = await told.get()
    await analyst.stop()
    assert [each.code for each in analyst.of(key)] == ["IST0001"]
    assert "galley_analysis_failures_total 1.0" in metrics.render().decode()
    assert analyst.view()[0]["origin"] == "ServiceEntry default/db"
