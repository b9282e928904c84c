"""Custom resources as a source: against an API server, kinds that come and go, and what does not matter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from flotilla_galley.sources.cluster_objects import travelling
from flotilla_galley.testing.over_cluster import ENTRIES, ROUTES, OverCluster, put
from flotilla_shared.model.kinds import MESH_CONFIG, WORKLOAD_ENTRIES
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, CRDS, Resource
from flotilla_shared.runtime.settings import ServiceSettings
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

OLD_ENTRIES = Resource("networking.istio.io", "v1beta1", "workloadentries", True, "WorkloadEntry")


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(CONFIG_MAPS, CRDS, ENTRIES, ROUTES) as found:
        yield found


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[KubeClient]:
    client = server.client()
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def galley(server: ApiServer, client: KubeClient, tmp_path: Path) -> AsyncIterator[Callable[..., OverCluster]]:
    made: list[OverCluster] = []

    def make(revision: str = "") -> OverCluster:
        concerns = ServiceSettings(revision=revision).concerns
        made.append(OverCluster(server, client, tmp_path / "last-good", concerns))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


async def test_a_life(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    put(server, "a", "1.1.1.1")
    running = galley()
    await running.start()
    await running.until(lambda: running.addresses() == {"x/a": "1.1.1.1"})
    assert running.readiness.ready
    put(server, "a", "1.1.1.2")
    put(server, "b", "1.1.1.3")
    await running.until(lambda: running.addresses() == {"x/a": "1.1.1.2", "x/b": "1.1.1.3"})
    server.remove(ENTRIES, "a", "x")
    await running.until(lambda: running.addresses() == {"x/b": "1.1.1.3"})


async def test_where_and_since_when(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    put(server, "a", "1.1.1.1", labels={"app": "a"})
    running = galley()
    await running.start()
    await running.until(lambda: running.now())
    item = running.now()["x/a"]
    assert item.create_time_ns > 1_700_000_000 * 10**9
    assert item.create_time_ns % 10**9 == 0
    assert item.labels == {"app": "a"}
    assert running.entry("x/a").place == "WorkloadEntry/x/a"


async def test_nothing_is_published_before_everything_is_read(
    server: ApiServer, galley: Callable[..., OverCluster]
) -> None:
    put(server, "a", "1.1.1.1")
    server.fail(Fault("list", hang=True, plural="virtualservices"))
    running = galley()
    await running.start()
    await running.until(lambda: len(server.of("watch", "workloadentries")))
    assert running.distributor.snapshot is None
    assert not running.readiness.ready
    assert "virtualservices.networking.istio.io: not listed yet" in running.sources.missing()
    server.release()
    await running.until(lambda: running.addresses())
    assert running.sources.missing() == "reading"


async def test_a_bad_object_keeps_its_last_good_version(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    put(server, "a", "1.1.1.1")
    put(server, "bad", "no good")
    running = galley()
    await running.start()
    await running.until(lambda: running.addresses() == {"x/a": "1.1.1.1"})
    put(server, "a", "neither good")
    await running.until(lambda: running.entry("x/a").problems)
    assert running.addresses() == {"x/a": "1.1.1.1"}
    states = {name: str(running.entry(f"x/{name}").state) for name in ("a", "bad")}
    assert states == {"a": "last-good", "bad": "refused"}
    (problem,) = running.entry("x/a").problems
    assert (problem.field, problem.file, problem.line) == ("spec.address", "WorkloadEntry/x/a", 0)


async def test_a_spec_that_is_none(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    server.put(ENTRIES, "a", "x", spec=["no"])
    put(server, "b", "1.1.1.1")
    running = galley()
    await running.start()
    await running.until(lambda: running.addresses() == {"x/b": "1.1.1.1"})
    assert "write a mapping of fields" in running.entry("x/a").problems[0].text


async def test_what_does_not_matter_causes_no_push(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    put(server, "a", "1.1.1.1")
    running = galley()
    await running.start()
    await running.until(lambda: running.addresses())
    before = running.publications
    reads: list[int] = []
    read = running.objects.read
    running.publisher._objects_source.read = lambda: reads.append(1) or read()  # type: ignore[method-assign,func-returns-value]
    server.put(ENTRIES, "a", "x", status={"conditions": [{"type": "Ready"}]})
    put(server, "a", "1.1.1.1", annotations={"argocd.argoproj.io/tracking-id": "t", "kubectl.kubernetes.io/x": "y"})
    put(server, "b", "1.1.1.2")  # makes a publication to wait for
    await running.until(lambda: "x/b" in running.addresses())
    assert running.publications == before + 1
    put(server, "a", "1.1.1.1", annotations={"istio.io/x": "y"})
    await running.until(lambda: running.publications == before + 2)
    assert running.now()["x/a"].annotations == {"istio.io/x": "y"}


def test_which_annotations_travel() -> None:
    names = ("istio.io/a", "policy.istio.io/lang", "flotilla.dev/x", "bare", "kubectl.kubernetes.io/x", "xistio.com/a")
    assert list(travelling(dict.fromkeys(names, ""))) == ["istio.io/a", "policy.istio.io/lang", "flotilla.dev/x"]


async def test_a_crd_that_comes_and_goes(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    server.withdraw(ENTRIES)
    running = galley()
    await running.start()
    await running.until(lambda: running.readiness.ready)
    assert running.objects.missing == []
    server.serve(ENTRIES)
    put(server, "a", "1.1.1.1")
    server.put(CRDS, "workloadentries.networking.istio.io")  # told by the CRD: the next look would be in seconds
    await running.until(lambda: running.addresses() == {"x/a": "1.1.1.1"})
    server.withdraw(ENTRIES, keep=True)  # as a server that starts and does not serve it yet
    await running.until(lambda: "not served" in running.objects.state(WORKLOAD_ENTRIES))
    assert running.addresses() == {"x/a": "1.1.1.1"}
    server.remove(CRDS, "workloadentries.networking.istio.io")
    await running.until(lambda: running.addresses() == {})


async def test_an_older_version_of_a_crd(server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    server.withdraw(ENTRIES)
    server.serve(OLD_ENTRIES)
    server.put(OLD_ENTRIES, "a", "x", spec={"address": "1.1.1.1"})
    running = galley()
    await running.start()
    await running.until(lambda: running.addresses() == {"x/a": "1.1.1.1"})
    assert running.objects.resource(WORKLOAD_ENTRIES) == OLD_ENTRIES
    assert running.objects.view()["workloadentries.networking.istio.io"] == {
        "version": "v1beta1",
        "objects": 1,
        "state": "synced",
    }


@pytest.mark.parametrize(("revision", "names"), [("", {"x/all", "x/own"}), ("canary", {"x/all", "x/other"})])
async def test_revisions(revision: str, names: set[str], server: ApiServer, galley: Callable[..., OverCluster]) -> None:
    put(server, "all", "1.1.1.1")
    put(server, "own", "1.1.1.2", labels={"istio.io/rev": "default"})
    put(server, "other", "1.1.1.3", labels={"istio.io/rev": "canary"})
    running = galley(revision)
    await running.start()
    await running.until(lambda: set(running.addresses()) == names)


class TestMeshConfiguration:
    async def test_it_is_followed(self, server: ApiServer, galley: Callable[..., OverCluster]) -> None:
        running = galley()
        await running.start()
        await running.until(lambda: running.now(MESH_CONFIG))
        assert running.now(MESH_CONFIG)["istio-system/istio"].spec.trust_domain == "cluster.local"
        server.put(CONFIG_MAPS, "istio", "istio-system", data={"mesh": "trustDomain: td.example\n"})
        server.put(CONFIG_MAPS, "another", "istio-system", data={"mesh": "trustDomain: not.this\n"})
        await running.until(lambda: running.now(MESH_CONFIG)["istio-system/istio"].spec.trust_domain == "td.example")

    @pytest.mark.parametrize(
        ("text", "said", "line"),
        [
            ("trustDomain: [", "is not YAML", 1),
            ("a: 1\n---\nb: 2\n", "more than one document", 3),
            ("- a\n", "must be a mapping", 1),
        ],
    )
    async def test_a_broken_one_keeps_the_last(
        self, text: str, said: str, line: int, server: ApiServer, galley: Callable[..., OverCluster]
    ) -> None:
        server.put(CONFIG_MAPS, "istio", "istio-system", data={"mesh": "trustDomain: td.example\n"})
        running = galley()
        await running.start()
        await running.until(lambda: running.now(MESH_CONFIG))
        server.put(CONFIG_MAPS, "istio", "istio-system", data={"mesh": text})
        await running.until(lambda: running.publisher.mesh.problems)
        (problem,) = running.publisher.mesh.problems
        assert (said in problem.text, problem.file) == (True, "ConfigMap/istio-system/istio")
        assert problem.line >= line
        assert running.now(MESH_CONFIG)["istio-system/istio"].spec.trust_domain == "td.example"


class TestLastGood:
    async def test_a_restart_without_an_api_server(
        self, server: ApiServer, client: KubeClient, galley: Callable[..., OverCluster], tmp_path: Path
    ) -> None:
        put(server, "a", "1.1.1.1")
        first = galley()
        await first.start()
        await first.until(lambda: first.addresses())
        await first.stop()
        server.fail(Fault("list", hang=True, times=10))
        again = galley()
        await again.start()
        assert again.addresses() == {"x/a": "1.1.1.1"}
        assert again.readiness.ready
        server.remove(ENTRIES, "a", "x")
        server.release()
        await again.until(lambda: again.addresses() == {})
