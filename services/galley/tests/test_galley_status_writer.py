"""Status written to an API server: by the leader, once, never over a newer object, and what a replica does that does not lead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.app import Galley
from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.cluster import Cluster
from flotilla_galley.status.conditions import next_status
from flotilla_galley.status.rate import Rate
from flotilla_protos.flotilla.status.v1.status_pb2 import ObjectStatus, StatusReport
from flotilla_shared.model.kinds import WORKLOAD_ENTRIES
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, CRDS, LEASES, VALIDATING_WEBHOOKS, Resource
from flotilla_shared.testing.apiserver import ApiServer, Fault, running
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

ENTRIES = Resource("networking.istio.io", "v1", "workloadentries", True, "WorkloadEntry")
PILOT = "spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account"


class Replica:
    """One whole Galley on Kubernetes."""

    def __init__(self, server: ApiServer, authority: CertificateAuthorityForTests, folder: Path, name: str) -> None:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(
            f"{{current-context: c, contexts: [{{name: c, context: {{cluster: k}}}}],"
            f" clusters: [{{name: k, cluster: {{server: '{server.url}'}}}}]}}"
        )
        self.server = server
        settings = GalleySettings(
            platform="kubernetes",
            kubeconfig=kubeconfig,
            pod_name=name,
            address="127.0.0.1",
            monitoring_port=0,
            introspection_port=0,
            mcp_port=0,
            admission_port=0,
            last_good_dir=folder / name,
            root_cert_file=folder / "none",
            debounce_seconds=0.001,
        )
        self.galley = Galley(settings, signer=authority)
        assert isinstance(self.galley.platform, Cluster)
        self.cluster = self.galley.platform
        self.cluster.status._interval_seconds = 0.01
        self.cluster.status._pause_seconds = 0.01

    @property
    def leading(self) -> bool:
        return self.cluster.election.leading

    async def report(self, concerned: int, acknowledged: int) -> None:
        """As Pilot would, of everything that is distributed, once something is: an object is judged a moment before."""
        await self.until(lambda: self.galley.distributor.snapshot)
        snapshot = self.galley.distributor.snapshot
        assert snapshot is not None
        items = snapshot.collections[WORKLOAD_ENTRIES].items
        objects = [
            ObjectStatus(
                collection=key.collection,
                namespace=key.namespace,
                name=key.name,
                version=item.version,
                accepted=True,
                proxies_concerned=concerned,
                proxies_acknowledged=acknowledged,
            )
            for key, item in items.items()
        ]
        self.galley.board.receive(StatusReport(reporter="pilot/0", objects=objects, full=True), PILOT)

    async def until(self, holds: Callable[[], object]) -> None:
        await self.server.until(holds)

    def conditions(self, name: str = "a") -> dict[str, tuple[str, str]]:
        status = self.server.get(ENTRIES, name, "x").get("status", {})
        return {each["type"]: (each["status"], each["reason"]) for each in status.get("conditions", [])}

    def writes(self) -> int:
        return len([each for each in self.server.of("patch", "workloadentries") if each.path.endswith("/status")])


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(CONFIG_MAPS, CRDS, LEASES, VALIDATING_WEBHOOKS, ENTRIES) as found:
        found.put(LEASES, "istio-galley-leader", "istio-system")
        yield found


@pytest.fixture
async def replica(
    server: ApiServer, authority: CertificateAuthorityForTests, tmp_path: Path
) -> AsyncIterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(name: str = "galley-0") -> Replica:
        made.append(Replica(server, authority, tmp_path, name))
        return made[-1]

    yield make
    for each in made:
        await each.galley.lifecycle.stop()


def put(server: ApiServer, name: str = "a", address: str = "1.1.1.1", **content: Any) -> None:
    server.put(ENTRIES, name, "x", spec={"address": address}, **content)


async def test_a_life(server: ApiServer, replica: Callable[..., Replica]) -> None:
    put(server)
    galley = replica()
    await galley.galley.lifecycle.start()
    await galley.until(lambda: galley.conditions() == {"PassedValidation": ("True", "Valid")})
    await galley.report(2, 1)
    await galley.until(lambda: galley.conditions().get("Reconciled") == ("False", "Waiting"))
    await galley.report(2, 2)
    await galley.until(lambda: galley.conditions().get("Reconciled") == ("True", "UpToDate"))
    put(server, address="no good")
    await galley.until(lambda: galley.conditions()["PassedValidation"] == ("False", "LastGood"))
    found = server.get(ENTRIES, "a", "x")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2
    assert found["status"]["validationMessages"][0]["type"]["code"] == "IST0106"
    assert found["spec"] == {"address": "no good"}
    put(server, address="1.1.1.2")
    await galley.until(lambda: galley.conditions()["PassedValidation"] == ("True", "Valid"))
    assert "validationMessages" not in server.get(ENTRIES, "a", "x")["status"]


async def test_a_write_causes_no_other(server: ApiServer, replica: Callable[..., Replica]) -> None:
    put(server)
    galley = replica()
    reads: list[int] = []
    read = galley.cluster.objects.read
    galley.galley.publisher._objects_source.read = lambda: reads.append(1) or read()  # type: ignore[method-assign,func-returns-value]
    await galley.galley.lifecycle.start()
    await galley.until(galley.conditions)
    put(server, "b")
    await galley.until(lambda: galley.conditions("b"))  # what the start caused was read with it, or before
    before, writes = len(reads), galley.writes()
    put(server, "c")  # what follows from the writes so far comes before what follows from this
    await galley.until(lambda: galley.conditions("c"))
    put(server, metadata={"annotations": {"argocd.argoproj.io/tracking-id": "t"}})
    server.put(ENTRIES, "a", "x", status={})  # somebody takes it away
    await galley.until(galley.conditions)
    assert len(reads) == before + 1
    assert galley.writes() == writes + 2
    bodies = [each.body for each in server.of("patch", "workloadentries")]
    assert all(set(body) == {"metadata", "status"} and set(body["metadata"]) == {"resourceVersion"} for body in bodies)


async def test_conflicts_are_looked_at_again(server: ApiServer, replica: Callable[..., Replica]) -> None:
    put(server)
    server.fail(Fault("patch", 409, "Conflict", plural="workloadentries", times=2))
    server.fail(Fault("patch", 500, "InternalError", plural="workloadentries"))
    galley = replica()
    await galley.galley.lifecycle.start()
    results = (("conflict", 2), ("error", 1), ("written", 1))
    lines = {f'galley_status_writes_total{{result="{result}"}} {number}.0' for result, number in results}
    await galley.until(lambda: lines <= set(galley.galley.metrics.render().decode().splitlines()))
    assert galley.conditions() == {"PassedValidation": ("True", "Valid")}


async def test_a_definition_without_status(server: ApiServer, replica: Callable[..., Replica]) -> None:
    put(server)
    server.fail(Fault("patch", 404, "NotFound", plural="workloadentries", times=10**6))
    galley = replica()
    await galley.galley.lifecycle.start()
    await galley.until(lambda: galley.cluster.status._without_status == {ENTRIES})
    writes = galley.writes()
    await galley.report(1, 1)
    put(server, "b")
    await galley.until(lambda: not galley.cluster.status._due and len(list(galley.cluster.objects.judged())) == 2)
    assert galley.writes() == writes


async def test_two_replicas_one_writer(server: ApiServer, replica: Callable[..., Replica]) -> None:
    put(server)
    first, second = replica("galley-0"), replica("galley-1")
    await first.galley.lifecycle.start()
    await first.until(lambda: first.leading)
    await second.galley.lifecycle.start()
    await second.until(lambda: second.cluster.election.holder == "galley-0" and second.galley.distributor.snapshot)
    assert (first.cluster.taking.now, second.cluster.taking.now) == (True, False)
    await first.until(first.conditions)
    await second.report(2, 2)  # would be refused on the wire; and is not written by who does not lead
    assert "Reconciled" not in first.conditions()
    await first.galley.lifecycle.stop()
    await second.until(lambda: second.leading)
    await second.until(lambda: second.conditions().get("Reconciled") == ("True", "UpToDate"))
    assert second.cluster.taking.now


async def test_what_was_touched_last_comes_first(replica: Callable[..., Replica]) -> None:
    writer = replica().cluster.status
    writer.lead()
    a, b, c = (ObjectKey(WORKLOAD_ENTRIES, "x", name) for name in "abc")
    writer.touch([a, b])
    writer._collect()
    writer.touch([c, a])
    writer._collect()
    assert [writer._due.popitem()[0].name for _ in range(3)] == ["a", "c", "b"]
    writer.touch([b])
    writer.lose()
    writer.touch([a])
    writer._collect()
    assert writer._due == {}


async def test_an_object_that_breaks_the_writer_harms_no_other(
    server: ApiServer, replica: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(existing: Any, entry: Any, *others: Any) -> Any:
        if entry.key.name == "bad":
            raise RuntimeError("a defect")
        return next_status(existing, entry, *others)

    monkeypatch.setattr("flotilla_galley.status.writer.next_status", made)
    put(server, "bad")
    put(server)
    galley = replica()
    await galley.galley.lifecycle.start()
    await galley.until(galley.conditions)
    assert galley.conditions("bad") == {}


async def test_status_that_is_not_to_be_written(
    server: ApiServer, authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    made = Replica(server, authority, tmp_path, "galley-0")
    galley = Galley(made.galley.settings.model_copy(update={"write_status": False}), signer=authority)
    put(server)
    await galley.lifecycle.start()
    await server.until(lambda: galley.distributor.snapshot)
    assert galley.platform.taking.now
    await galley.lifecycle.stop()
    assert not server.of("get", "leases")
    assert not server.of("patch", "workloadentries")


class TestRate:
    async def test_a_burst_and_then_one_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waited: list[float] = []
        now = [0.0]

        async def sleep(seconds: float) -> None:
            waited.append(round(seconds, 3))
            now[0] += seconds

        monkeypatch.setattr("flotilla_galley.status.rate.time.monotonic", lambda: now[0])
        monkeypatch.setattr("flotilla_galley.status.rate.asyncio.sleep", sleep)
        rate = Rate(10, 3)
        for _ in range(5):
            await rate.take()
        assert waited == [0.1, 0.1]

    @pytest.mark.parametrize(("each_second", "burst"), [(0, 1), (1, 0)])
    def test_no_rate(self, each_second: float, burst: int) -> None:
        with pytest.raises(ValueError, match="a rate must be above 0"):
            Rate(each_second, burst)
