"""Several sources on a cluster: a directory beside custom resources, and what Galley makes of Kubernetes' own objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.beside import Beside
from flotilla_galley.snapshot.ledger import Entry, Ledger, State
from flotilla_galley.snapshot.precedence import settled
from flotilla_galley.sources.further import DerivedSource, DirectoryBeside
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.testing.over_cluster import ENTRIES, ROUTES, OverCluster, put
from flotilla_galley.transforms.derive import Options
from flotilla_shared.model.kinds import (
    GATEWAYS,
    NAMESPACES,
    SERVICES,
    SYNTHETIC_SERVICE_ENTRIES,
    VIRTUAL_SERVICES,
    WORKLOAD_ENTRIES,
)
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.kube import resources as kube
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import NO_METRICS
from flotilla_shared.runtime.settings import SettingsError
from flotilla_shared.testing.apiserver import ApiServer, running

FILE = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: {name}, namespace: x}}\nspec: {{address: {address}}}\n"
IN_CLUSTER = (kube.INGRESSES, kube.SERVICES, kube.ENDPOINT_SLICES, kube.PODS, kube.NODES, kube.NAMESPACES)
MINE = {"annotations": {"kubernetes.io/ingress.class": "istio"}}
Make = Callable[..., OverCluster]


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(kube.CONFIG_MAPS, kube.CRDS, ENTRIES, ROUTES, *IN_CLUSTER) as found:
        yield found


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[KubeClient]:
    client = server.client()
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def make(server: ApiServer, client: KubeClient, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[OverCluster] = []

    def making(**options: Any) -> OverCluster:
        concerns = GalleySettings().concerns
        made.append(OverCluster(server, client, tmp_path / "last-good", concerns, **options))
        return made[-1]

    yield making
    for each in made:
        await each.stop()


def write(folder: Path, file: str, address: str, name: str = "a") -> None:
    draft = folder / ".draft"
    draft.write_text(FILE.format(name=name, address=address))
    draft.replace(folder / file)


class TestDirectory:
    @pytest.fixture
    async def galley(self, make: Make, folder: Path) -> OverCluster:
        write(folder, "a.yaml", "2.2.2.2")
        write(folder, "b.yaml", "2.2.2.3", "b")
        directory = DirectoryBeside(DirectorySource(folder))
        galley = make(further=lambda watch: [directory], watched=[folder])
        await galley.start()
        await galley.until(lambda: galley.addresses() == {"x/a": "2.2.2.2", "x/b": "2.2.2.3"})
        return galley

    async def test_the_cluster_counts_first_and_the_other_is_told(self, galley: OverCluster, folder: Path) -> None:
        put(galley.server, "a", "1.1.1.1")
        await galley.until(lambda: galley.addresses() == {"x/a": "1.1.1.1", "x/b": "2.2.2.3"})
        (problem,) = [problem for ledger in galley.publisher.ledgers for problem in ledger.problems]
        assert (problem.code, problem.file, problem.line) == ("duplicate-object", "a.yaml", 2)
        assert "WorkloadEntry x/a is already defined at WorkloadEntry/x/a" in problem.text
        galley.server.remove(ENTRIES, "a", "x")
        await galley.until(lambda: galley.addresses() == {"x/a": "2.2.2.2", "x/b": "2.2.2.3"})

    async def test_one_of_which_nothing_is_distributed_is_in_nobodys_way(self, galley: OverCluster) -> None:
        put(galley.server, "a", "no address")
        put(galley.server, "c", "1.1.1.3")
        await galley.until(lambda: "x/c" in galley.addresses())
        assert galley.addresses()["x/a"] == "2.2.2.2"

    async def test_files_are_followed(self, galley: OverCluster, folder: Path) -> None:
        write(folder, "b.yaml", "2.2.2.9", "b")
        await galley.until(lambda: galley.addresses()["x/b"] == "2.2.2.9")

    async def test_a_directory_that_goes_takes_nothing_along(self, galley: OverCluster, folder: Path) -> None:
        put(galley.server, "c", "1.1.1.3")
        await galley.until(lambda: "x/c" in galley.addresses())
        folder.rename(folder.with_name("away"))
        put(galley.server, "d", "1.1.1.4")
        await galley.until(lambda: "x/d" in galley.addresses())
        assert set(galley.addresses()) == {"x/a", "x/b", "x/c", "x/d"}

    async def test_a_restart_without_the_directory(self, galley: OverCluster, folder: Path, make: Make) -> None:
        put(galley.server, "c", "1.1.1.3")
        await galley.until(lambda: "x/c" in galley.addresses())
        await galley.stop()
        folder.rename(folder.with_name("away"))
        again = make(further=lambda watch: [DirectoryBeside(DirectorySource(folder))])
        await again.start()
        put(again.server, "d", "1.1.1.4")
        await again.until(lambda: "x/d" in again.addresses())
        assert set(again.addresses()) == {"x/a", "x/b", "x/c", "x/d"}


def entry(name: str, file: str, item: bool = True) -> Entry:
    key = ObjectKey(WORKLOAD_ENTRIES, "x", name)
    state = State.PUBLISHED if item else State.REFUSED
    return Entry(key, state, file, 0, ConfigObject(key, "1", None) if item else None)


# What each source has, in order, as (names that it distributes, names that it does not) -> what each keeps
ORDERS: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "apart": ([("ab", ""), ("cd", "")], ["ab", "cd"]),
    "the first": ([("ab", ""), ("bc", ""), ("cd", "")], ["ab", "c", "d"]),
    "nothing distributed": ([("a", "b"), ("bc", "")], ["ab", "bc"]),
    "all taken": ([("ab", ""), ("ab", "")], ["ab", ""]),
}


@pytest.mark.parametrize("case", ORDERS)
def test_order(case: str) -> None:
    sources, kept = ORDERS[case]
    ledgers = []
    for number, (good, bad) in enumerate(sources):
        entries = [entry(name, f"{number}.yaml", name in good) for name in good + bad]
        ledgers.append(Ledger({each.key: each for each in entries}))
    found = settled(ledgers)
    assert ["".join(sorted(key.name for key in ledger.entries)) for ledger in found] == kept
    told = sum(len(ledger.problems) for ledger in found)
    assert told == sum(len(ledger.entries) for ledger in ledgers) - sum(map(len, kept))


class TestIngresses:
    PATHS = [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]

    def put(self, server: ApiServer, name: str = "web", host: str = "a.example", **metadata: Any) -> None:
        spec = {"rules": [{"host": host, "http": {"paths": self.PATHS}}]}
        server.put(kube.INGRESSES, name, "shop", spec=spec, metadata={**MINE, **metadata})

    @pytest.fixture
    async def galley(self, make: Make, server: ApiServer) -> OverCluster:
        self.put(server)
        options = Options(ingresses=True)
        galley = make(kinds=frozenset({"Ingress"}), further=lambda watch: [DerivedSource(options, [watch])])
        await galley.start()
        await galley.until(lambda: len(galley.now(VIRTUAL_SERVICES)) == 1)
        return galley

    async def test_they_are_made_and_followed(self, galley: OverCluster) -> None:
        assert list(galley.now(GATEWAYS)) == ["istio-system/web-istio-autogenerated-k8s-ingress"]
        self.put(galley.server, "other")
        await galley.until(lambda: len(galley.now(GATEWAYS)) == 2)
        (rules,) = galley.now(VIRTUAL_SERVICES).values()
        assert len(rules.spec.http) == 2
        galley.server.remove(kube.INGRESSES, "web", "shop")
        galley.server.remove(kube.INGRESSES, "other", "shop")
        await galley.until(lambda: not galley.now(GATEWAYS) and not galley.now(VIRTUAL_SERVICES))

    async def test_the_mesh_configuration_counts(self, galley: OverCluster) -> None:
        mesh = "ingressControllerMode: 'OFF'\n"
        galley.server.put(kube.CONFIG_MAPS, "istio", "istio-system", data={"mesh": mesh})
        await galley.until(lambda: not galley.now(GATEWAYS))
        galley.server.put(kube.CONFIG_MAPS, "istio", "istio-system", data={"mesh": "ingressClass: istio\n"})
        await galley.until(lambda: galley.now(GATEWAYS))

    async def test_a_status_causes_no_push(self, galley: OverCluster) -> None:
        before = galley.publications
        status = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
        galley.server.put(kube.INGRESSES, "web", "shop", status=status)
        put(galley.server, "a", "1.1.1.1")
        await galley.until(lambda: galley.addresses())
        assert galley.publications == before + 1

    async def test_what_somebody_wrote_counts(self, galley: OverCluster) -> None:
        spec = {"hosts": ["mine.example"], "http": [{"route": [{"destination": {"host": "x"}}]}]}
        name = "a-example-web-istio-autogenerated-k8s-ingress"
        galley.server.put(ROUTES, name, "istio-system", spec=spec)
        await galley.until(
            lambda: [each.spec.hosts[0] for each in galley.now(VIRTUAL_SERVICES).values()] == ["mine.example"]
        )
        told = [problem for ledger in galley.publisher.ledgers for problem in ledger.problems]
        assert [(problem.code, problem.file) for problem in told] == [("duplicate-object", "Ingress/shop/web")]

    async def test_another_revisions_is_left_alone(self, galley: OverCluster) -> None:
        self.put(galley.server, "other", labels={"istio.io/rev": "canary"})
        self.put(galley.server, "third")
        await galley.until(lambda: len(galley.now(GATEWAYS)) == 2)
        assert not any("other" in name for name in galley.now(GATEWAYS))

    async def test_one_that_cannot_be_read_is_told(self, galley: OverCluster) -> None:
        galley.server.put(kube.INGRESSES, "bad", "shop", spec={"rules": [{"host": 7}]}, metadata=MINE)
        self.put(galley.server, "third")
        await galley.until(lambda: len(galley.now(GATEWAYS)) == 2)
        told = [problem for ledger in galley.publisher.ledgers for problem in ledger.problems]
        assert [(problem.code, problem.field, problem.file) for problem in told] == [
            ("wrong-type", "spec.rules[0].host", "Ingress/shop/bad")
        ]


async def test_services_of_a_cluster(server: ApiServer, make: Make) -> None:
    """For a Pilot that does not watch them itself."""
    server.put(kube.NAMESPACES, "shop", spec={"finalizers": ["kubernetes"]})
    server.put(kube.SERVICES, "web", "shop", spec={"clusterIP": "10.1.1.1", "ports": [{"name": "http", "port": 80}]})
    labels = {"kubernetes.io/service-name": "web"}
    content = {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"name": "http", "port": 8080}],
    }
    server.put(kube.ENDPOINT_SLICES, "web-1", "shop", metadata={"labels": labels}, **content)
    pod = {
        "spec": {"nodeName": "n", "containers": [{"name": "c" * 100}]},
        "status": {"podIP": "10.0.0.1", "phase": "Running"},
    }
    server.put(kube.PODS, "p", "shop", metadata={"labels": {"app": "web"}}, **pod)
    server.put(kube.NODES, "n", metadata={"labels": {"topology.kubernetes.io/region": "r"}})
    settings = GalleySettings(synthetic_service_entries=True)
    galley = make(kinds=settings.kubernetes_kinds, further=lambda watch: [DerivedSource(settings.transforms, [watch])])
    await galley.start()
    await galley.until(lambda: galley.now(SYNTHETIC_SERVICE_ENTRIES))
    (item,) = galley.now(SYNTHETIC_SERVICE_ENTRIES).values()
    (endpoint,) = item.spec.endpoints
    assert (endpoint.address, endpoint.locality, dict(endpoint.labels)) == ("10.0.0.1", "r/", {"app": "web"})
    assert list(item.spec.subject_alt_names) == ["spiffe://cluster.local/ns/shop/sa/default"]
    assert (list(galley.now(NAMESPACES)), list(galley.now(SERVICES))) == (["shop"], ["shop/web"])
    assert galley.watch.view()["pods"] == {"version": "v1", "objects": 1, "state": "synced"}
    held = str(galley.watch._reflectors["Pod"].objects)
    assert "containers" not in held  # nobody reads them, so they are not kept


def test_two_discoveries_are_a_start_error(tmp_path: Path) -> None:
    client, touch = KubeClient(None), lambda: None  # type: ignore[arg-type]
    settings = GalleySettings(synthetic_service_entries=True)
    with pytest.raises(SettingsError, match="Pilot finds Services by its own watch"):
        Beside(settings, client, touch, NO_METRICS)
    foreign = GalleySettings(synthetic_service_entries=True, foreign_pilot=True, cluster_config_dir=tmp_path)
    beside = Beside(foreign, client, touch, NO_METRICS)
    assert (len(beside.further), beside.watched) == (2, [tmp_path])
    assert beside.view()[str(tmp_path)] == "not read yet"
    assert Beside(GalleySettings(), client, touch, NO_METRICS).further == []


async def test_what_is_wrong_beside_is_told_though_nothing_comes_of_it(make: Make, folder: Path) -> None:
    (folder / "a.yaml").write_text("kind: [\n")
    galley = make(further=lambda watch: [DirectoryBeside(DirectorySource(folder))])
    await galley.start()
    await galley.until(lambda: galley.publications)
    told = [problem for ledger in galley.publisher.ledgers for problem in ledger.problems]
    assert [(problem.code, problem.file) for problem in told] == [("broken-yaml", "a.yaml")]
