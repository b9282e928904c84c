"""The API server that unit tests use answers as the true one does: the same steps against both, and what came of each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest

from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.runtime.kube.objects import Named
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, Resource
from flotilla_shared.testing.apiserver import running
from tests.kube.cluster.client import Cluster
from tests.kube.processes import ROOT

pytestmark = [pytest.mark.kube, pytest.mark.timeout(180)]

ENTRIES = Resource("networking.istio.io", "v1", "workloadentries", True, "WorkloadEntry")
WIDGETS = Resource("widgets.example.com", "v1", "widgets", True, "Widget")


def entry(address: str, **metadata: Any) -> dict[str, Any]:
    meta = {"name": "a", **metadata}
    return {"apiVersion": ENTRIES.api_version, "kind": ENTRIES.kind, "metadata": meta, "spec": {"address": address}}


class Steps:
    """Does things, and writes down what came of each."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.all, self.one = ENTRIES.path(namespace), ENTRIES.path(namespace, "a")
        self.came: list[Any] = []

    async def note(self, step: Any, shown: Callable[[Any], Any] = lambda answer: "done") -> Any:
        try:
            answer = await step
        except KubeError as error:
            self.came.append((type(error).__name__, error.status, error.reason))
            return None
        self.came.append(shown(answer))
        return answer


def what_matters(item: dict[str, Any]) -> tuple[Any, ...]:
    return item["spec"]["address"], item.get("status"), item["metadata"]["generation"]


async def writes(steps: Steps) -> None:
    client, note = steps.client, steps.note
    made = await note(client.create(steps.all, entry("1.1.1.1")), what_matters)
    await note(client.create(steps.all, entry("1.1.1.2")))
    changed = await note(client.replace(steps.one, {**made, "spec": {"address": "1.1.1.3"}}), what_matters)
    await note(client.replace(steps.one, made))
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"address": "1.1.1.4"}}
    await note(client.patch(steps.one, stale))
    await note(client.patch(steps.one, {"spec": {"address": "1.1.1.4"}, "status": {"x": 1}}), what_matters)
    await note(client.patch(f"{steps.one}/status", {"status": {"x": 2}, "spec": {"address": "9"}}), what_matters)
    await note(client.patch(steps.one, {"metadata": {"labels": {"l": "v"}}}), what_matters)
    version = changed["metadata"]["resourceVersion"]
    test = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
    await note(client.patch(steps.one, [*test, {"op": "add", "path": "/spec/address", "value": "0"}], "json"))
    add = [{"op": "add", "path": "/spec/labels", "value": {"a~b/c": "1"}}]
    await note(client.patch(steps.one, add, "json"), lambda item: item["spec"]["labels"])
    await note(client.delete(steps.one))
    await note(client.get(steps.one))
    await note(client.delete(steps.one))
    await note(client.get(WIDGETS.path(steps.namespace)))


async def lists(steps: Steps) -> None:
    client, path = steps.client, CONFIG_MAPS.path(steps.namespace)
    for number in range(5):
        labels = {"odd": str(number % 2)}
        await client.create(path, {"metadata": {"name": f"c{number}", "labels": labels}})
    token = ""
    while True:
        params = {"limit": 2, "labelSelector": "odd", **({"continue": token} if token else {})}
        page = await client.get(path, params=params)
        steps.came.append([item["metadata"]["name"] for item in page["items"]])
        token = page["metadata"].get("continue", "")
        if not token:
            break
    for selector in ("odd=1", "odd!=1,odd", "!odd", "metadata.name=c3"):
        name = "fieldSelector" if "." in selector else "labelSelector"
        found = (await client.get(path, params={name: selector}))["items"] or []
        steps.came.append([item["metadata"]["name"] for item in found if item["metadata"]["name"].startswith("c")])


async def watches(steps: Steps) -> None:
    heard: asyncio.Queue[tuple[str, bool, bool]] = asyncio.Queue()

    def note(change: Change[Named]) -> None:
        heard.put_nowait((change.key[1], change.before is not None, change.after is not None))

    client = steps.client
    await client.create(steps.all, entry("1.1.1.1"))
    reflector = Reflector(client, ENTRIES, Named, namespace=steps.namespace, label_selector="!hidden", on_change=note)
    await reflector.start()
    steps.came.append(await heard.get())
    await client.patch(steps.one, {"spec": {"address": "1.1.1.2"}})
    steps.came.append(await heard.get())
    await client.create(steps.all, entry("1.1.1.1", name="b", labels={"hidden": ""}))
    await client.create(steps.all, entry("1.1.1.1", name="c"))
    steps.came.append(await heard.get())
    await client.delete(steps.one)
    steps.came.append(await heard.get())
    await reflector.stop()


@contextlib.asynccontextmanager
async def fake() -> AsyncIterator[KubeClient]:
    async with running(ENTRIES, CONFIG_MAPS) as server:
        yield server.client()


async def done(client: KubeClient, namespace: str, steps: Callable[[Steps], Any]) -> list[Any]:
    await client.start()
    try:
        doing = Steps(client, namespace)
        await asyncio.wait_for(steps(doing), 60)
        return doing.came
    finally:
        await client.stop()


async def done_by_the_fake(steps: Callable[[Steps], Any]) -> list[Any]:
    async with fake() as client:
        return await done(client, f"test-{uuid4().hex[:8]}", steps)


@pytest.mark.parametrize("steps", [writes, lists, watches])
def test_both_do_the_same(cluster: Cluster, alone: None, namespace: str, steps: Callable[[Steps], Any]) -> None:
    definition = ROOT / "helm" / "flotilla-crds" / "templates" / "workloadentries.networking.istio.io.yaml"
    cluster.kubectl("apply", "--server-side", "-f", str(definition))
    cluster.wait("crd/workloadentries.networking.istio.io", "condition=Established")
    true = KubeClient(KubeConnection.from_kubeconfig(cluster.kubeconfig))
    with cluster.network():
        by_the_true_one = asyncio.run(done(true, namespace, steps))
        assert asyncio.run(done_by_the_fake(steps)) == by_the_true_one
