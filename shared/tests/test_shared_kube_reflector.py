"""The reflector against an API server that fails in every way that a real one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import ApiServerMetrics
from flotilla_shared.runtime.kube.objects import Named, Pod, Service
from flotilla_shared.runtime.kube.reflector import Change, Reflector, unsynced
from flotilla_shared.runtime.kube.resources import PODS, SERVICES, Resource
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

WIDGETS = Resource("example.com", "v1", "widgets", True, "Widget")
OLD_WIDGETS = Resource("example.com", "v1beta1", "widgets", True, "Widget")


class Follower:
    """A reflector of pods, what it told, and a way to wait for it."""

    def __init__(self, server: ApiServer, client: KubeClient, resource: Any = PODS, **options: Any) -> None:
        self.server = server
        self.told: list[tuple[str, str]] = []
        self.metrics = ServiceMetrics("test")
        options = {"decode": Pod, "backoff": Backoff(0.001, 0.002), "absent_seconds": 0.01, **options}
        self.reflector: Reflector[Any] = Reflector(
            client, resource, on_change=self._note, metrics=ApiServerMetrics(self.metrics), **options
        )

    def _note(self, change: Change[Any]) -> None:
        what = "came" if change.before is None else "went" if change.after is None else "changed"
        self.told.append((what, change.key[1]))

    @property
    def names(self) -> list[str]:
        return sorted(name for _, name in self.reflector.objects)

    async def until(self, holds: Callable[[], object]) -> None:
        await asyncio.wait_for(self.server.until(holds), 20)

    async def watching(self, times: int = 1) -> None:
        await self.until(lambda: len(self.server.of("watch")) >= times and self.server._watches)

    def count(self, name: str) -> float:
        found = [line for line in self.metrics.render().decode().splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(PODS, SERVICES) as found:
        yield found


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[KubeClient]:
    client = server.client()
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def follow(server: ApiServer, client: KubeClient) -> AsyncIterator[Callable[..., Follower]]:
    made: list[Follower] = []

    def make(resource: Any = PODS, **options: Any) -> Follower:
        made.append(Follower(server, client, resource, **options))
        return made[-1]

    yield make
    for each in made:
        await each.reflector.stop()


class TestListAndWatch:
    async def test_a_life(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.put(PODS, "a", "x")
        pods = follow()
        assert list(unsynced([pods.reflector])) == ["pods: not listed yet"]
        await pods.reflector.start()
        await pods.reflector.wait_synced()
        assert (pods.names, list(unsynced([pods.reflector]))) == (["a"], [])
        server.put(PODS, "b", "x", spec={"nodeName": "n"})
        server.put(PODS, "a", "x", spec={"nodeName": "m"})
        server.remove(PODS, "b", "x")
        await pods.until(lambda: len(pods.told) == 4)
        assert pods.told == [("came", "a"), ("came", "b"), ("changed", "a"), ("went", "b")]
        assert pods.reflector.objects[("x", "a")].spec.node_name == "m"
        assert pods.reflector.state == "synced"
        assert pods.count("flotilla_kube_synced") == 1

    async def test_pages_are_read_to_the_end(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.page_limit = 3
        for number in range(8):
            server.put(PODS, f"p{number}", "x")
        pods = follow()
        await pods.reflector.start()
        await pods.reflector.wait_synced()
        assert len(pods.names) == 8
        assert [each.query.get("continue", "")[-2:] for each in server.of("list")] == ["", ":3", ":6"]

    async def test_pages_that_are_too_old_are_read_at_once(
        self, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        server.put(PODS, "a", "x")
        server.fail(Fault("list", 410, "Expired"))
        pods = follow()
        await pods.reflector.start()
        await pods.reflector.wait_synced()
        assert [each.query.get("limit") for each in server.of("list")] == ["500", None]

    async def test_what_the_server_is_asked_for(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.put(PODS, "a", "x", metadata={"labels": {"app": "a"}})
        server.put(PODS, "b", "x", metadata={"labels": {"app": "b"}})
        server.put(PODS, "a", "y", metadata={"labels": {"app": "a"}})
        pods = follow(namespace="x", label_selector="app=a", field_selector="metadata.name=a")
        await pods.reflector.start()
        await pods.watching()
        assert list(pods.reflector.objects) == [("x", "a")]
        (watch,) = server.of("watch")
        assert watch.path == "/api/v1/namespaces/x/pods"
        seconds = int(watch.query["timeoutSeconds"])
        assert 240 <= seconds <= 300
        assert watch.query == {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(server.store.version),
            "timeoutSeconds": str(seconds),
            "labelSelector": "app=a",
            "fieldSelector": "metadata.name=a",
        }

    async def test_metadata_alone(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        pods = follow(decode=Named, metadata_only=True)
        await pods.reflector.start()
        await pods.watching()
        assert [each.accept for each in server.asked] == [
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        ]

    async def test_what_was_given_out_never_changes(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.put(PODS, "a", "x")
        pods = follow()
        await pods.reflector.start()
        await pods.reflector.wait_synced()
        before = pods.reflector.objects
        server.put(PODS, "b", "x")
        await pods.until(lambda: len(pods.told) == 2)
        assert (len(before), len(pods.reflector.objects)) == (1, 2)
        with pytest.raises(TypeError):
            before[("x", "c")] = before[("x", "a")]  # type: ignore[index]

    async def test_prepare_makes_smaller(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.put(PODS, "a", "x", spec={"nodeName": "m"})
        pods = follow(prepare=lambda pod: Pod(metadata=pod.metadata))
        await pods.reflector.start()
        await pods.watching()
        server.put(PODS, "b", "x", spec={"nodeName": "m"})
        await pods.until(lambda: len(pods.told) == 2)
        assert {pod.spec.node_name for pod in pods.reflector.objects.values()} == {""}


class TestLostWatches:
    async def test_ended_and_cut_watches_go_on_where_they_were(
        self, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        for number, end in enumerate((server.end_watches, server.cut_watches), 2):
            server.put(PODS, f"p{number}", "x")
            await pods.until(lambda number=number: len(pods.told) == number - 1)  # type: ignore[misc]
            end()
            server.put(PODS, f"q{number}", "x")
            await pods.watching(number)
            await pods.until(lambda number=number: f"q{number}" in pods.names)  # type: ignore[misc]
            pods.told.pop()
        assert len(server.of("list")) == 1
        versions = [int(each.query["resourceVersion"]) for each in server.of("watch")]
        assert versions == sorted(set(versions))

    async def test_a_bookmark_moves_the_point(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        for _ in range(5):
            server.put(SERVICES, "s", "x", metadata={"labels": {"n": str(server.store.version)}})
        server.bookmark()
        await pods.until(lambda: pods.count('flotilla_kube_watch_events_total{resource="pods",type="BOOKMARK"}'))
        server.end_watches()
        await pods.watching(2)
        assert server.of("watch")[-1].query["resourceVersion"] == str(server.store.version)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("watch", 410, "Expired"),
            Fault("watch", 410, "Expired", event=True),
            Fault("watch", 504, "Timeout", "Too large resource version: 9, current: 8", event=True),
        ],
        ids=lambda fault: f"{fault.code}-{'event' if fault.event else 'answer'}",
    )
    async def test_too_old_means_a_new_list_with_the_deletes(
        self, fault: Fault, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        server.put(PODS, "stays", "x")
        server.put(PODS, "goes", "x")
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        server.fail(fault)
        server.end_watches()
        server.remove(PODS, "goes", "x")
        server.put(PODS, "new", "x")
        await pods.until(lambda: pods.names == ["new", "stays"] and len(server.of("list")) == 2)
        assert sorted(pods.told) == [("came", "goes"), ("came", "new"), ("came", "stays"), ("went", "goes")]

    async def test_a_compacted_past(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.put(PODS, "goes", "x")
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        server.store.kind("pods").clear()
        server.store.compact()
        server.end_watches()
        await pods.until(lambda: pods.told == [("came", "goes"), ("went", "goes")])

    @pytest.mark.parametrize("code", [500, 503, 429])
    async def test_a_server_with_trouble_is_asked_again(
        self, code: int, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        server.put(PODS, "a", "x")
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        server.fail(Fault("watch", code, "Trouble", times=10**9))
        server.end_watches()
        await pods.until(lambda: pods.reflector.state == "the API server fails: told to")
        await pods.until(lambda: len(server.of("watch")) > 4)
        server._faults.clear()
        await pods.until(lambda: pods.reflector.state == "synced")
        assert len(server.of("list")) == 1
        assert pods.count("flotilla_kube_failures_total") >= 3

    async def test_a_line_of_three_megabytes(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        server.put(PODS, "big", "x", metadata={"annotations": {"a": "x" * 3_000_000}})
        await pods.until(lambda: pods.names == ["big"])

    async def test_silence_is_a_lost_watch(
        self, server: ApiServer, follow: Callable[..., Follower], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flotilla_shared.runtime.kube.reflector.SILENCE_SECONDS", -0.9)
        pods = follow(watch_seconds=(1, 1))
        await pods.reflector.start()
        await pods.watching(2)
        assert pods.count('flotilla_kube_failures_total{reason="Unreachable"') >= 1
        assert len(server.of("list")) == 1


class TestStates:
    async def test_a_kind_that_is_not_served_is_empty_until_it_is(
        self, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        widgets = follow(WIDGETS, decode=Named)
        await widgets.reflector.start()
        await widgets.reflector.wait_synced()
        assert widgets.reflector.state == "synced: the API server does not serve it"
        server.serve(WIDGETS)
        server.put(WIDGETS, "w", "x")
        await widgets.until(lambda: widgets.names == ["w"])
        await widgets.watching()
        server.withdraw(WIDGETS)
        await widgets.until(lambda: "does not serve" in widgets.reflector.state)
        assert widgets.told == [("came", "w"), ("went", "w")]

    async def test_look_again_does_not_wait(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        widgets = follow(WIDGETS, decode=Named, absent_seconds=3600)
        await widgets.reflector.start()
        await widgets.until(lambda: widgets.reflector.synced)
        server.serve(WIDGETS)
        server.put(WIDGETS, "w", "x")
        widgets.reflector.look_again()
        await widgets.until(lambda: widgets.names == ["w"])

    async def test_the_version_that_is_served(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.serve(OLD_WIDGETS)
        server.put(OLD_WIDGETS, "w", "x")
        widgets = follow([WIDGETS, OLD_WIDGETS], decode=Named)
        await widgets.reflector.start()
        await widgets.watching()
        assert (widgets.names, widgets.reflector.resource) == (["w"], OLD_WIDGETS)
        assert server.of("watch")[0].path == "/apis/example.com/v1beta1/widgets"

    async def test_a_right_that_is_missing(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.put(PODS, "a", "x")
        server.fail(Fault("list", 403, "Forbidden", "pods is forbidden: User x cannot list", times=3))
        pods = follow()
        await pods.reflector.start()
        await pods.until(lambda: pods.reflector.state.startswith("forbidden"))
        assert list(unsynced([pods.reflector])) == ["pods: forbidden: pods is forbidden: User x cannot list"]
        await pods.reflector.wait_synced()
        assert pods.names == ["a"]

    async def test_a_right_that_is_taken_away_keeps_what_is_known(
        self, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        server.put(PODS, "a", "x")
        pods = follow()
        await pods.reflector.start()
        await pods.watching()
        server.fail(Fault("watch", 403, "Forbidden", "no more", times=1000))
        server.end_watches()
        await pods.until(lambda: pods.reflector.state == "forbidden: no more")
        assert (pods.names, pods.reflector.synced) == (["a"], True)
        assert pods.count("flotilla_kube_synced") == 0

    async def test_a_server_that_is_not_there(self, server: ApiServer, follow: Callable[..., Follower]) -> None:
        server.fail(Fault("list", cut=True, times=2))
        pods = follow()
        await pods.reflector.start()
        await pods.until(lambda: pods.reflector.state.startswith("no connection: GET http://127.0.0.1"))
        await pods.reflector.wait_synced()

    async def test_an_object_that_cannot_be_decoded_harms_no_other(
        self, server: ApiServer, follow: Callable[..., Follower]
    ) -> None:
        server.put(SERVICES, "good", "x", spec={"ports": [{"port": 80}]})
        server.put(SERVICES, "bad", "x", spec={"ports": "none"})
        services = follow(SERVICES, decode=Service)
        await services.reflector.start()
        await services.watching()
        assert services.names == ["good"]
        server.put(SERVICES, "bad2", "x", spec={"ports": "none"})
        server.put(SERVICES, "good2", "x")
        await services.until(lambda: services.names == ["good", "good2"])
        assert services.count('flotilla_kube_failures_total{reason="Undecodable"') == 2

    async def test_a_listener_that_raises_harms_nobody(
        self, server: ApiServer, client: KubeClient, follow: Callable[..., Follower]
    ) -> None:
        def broken(_: object) -> None:
            raise RuntimeError("no")

        pods = follow()
        pods.reflector._on_change = broken
        await pods.reflector.start()
        await pods.watching()
        server.put(PODS, "a", "x")
        await pods.until(lambda: pods.names == ["a"])
