"""Withdrawing what was published, when the chart is uninstalled: ours goes, whatever else has the name stays."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.publish import withdraw
from flotilla_citadel.publish.config_map import NAME, Publication, citadel_id
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, NAMESPACES
from flotilla_shared.testing.apiserver import ApiServer, Fault

OURS = citadel_id("istio-system", "cluster.local", "")


@pytest.fixture
async def cluster() -> AsyncIterator[ApiServer]:
    server = ApiServer()
    server.serve(NAMESPACES, CONFIG_MAPS)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(cluster: ApiServer) -> AsyncIterator[KubeClient]:
    client = cluster.client()
    await client.start()
    yield client
    await client.stop()


def publish(cluster: ApiServer, namespace: str, own: str = OURS) -> None:
    manifest = Publication("root", own).manifest(namespace)
    cluster.put(CONFIG_MAPS, NAME, namespace, metadata=manifest["metadata"], data=manifest["data"])


def left(cluster: ApiServer) -> set[str]:
    return {namespace for (namespace, name) in cluster.store.kind(str(CONFIG_MAPS)) if name == NAME}


async def test_ours_go_and_all_others_stay(cluster: ApiServer, client: KubeClient) -> None:
    for namespace in ("istio-system", "shop", "empty", "foreign", "unmarked"):
        cluster.put(NAMESPACES, namespace)
    publish(cluster, "istio-system")
    publish(cluster, "shop")
    publish(cluster, "foreign", citadel_id("istio-system", "cluster.local", "blue"))
    cluster.put(CONFIG_MAPS, NAME, "unmarked", data={"root-cert.pem": "root"})
    cluster.put(CONFIG_MAPS, "shop-settings", "shop", data={})
    assert await withdraw.withdraw(client, OURS) == (2, [])
    assert left(cluster) == {"foreign", "unmarked"}
    assert ("shop", "shop-settings") in cluster.store.kind(str(CONFIG_MAPS))


async def test_only_the_object_that_was_looked_at_is_deleted(cluster: ApiServer, client: KubeClient) -> None:
    cluster.put(NAMESPACES, "shop")
    publish(cluster, "shop")
    seen = cluster.get(CONFIG_MAPS, NAME, "shop")["metadata"]
    await withdraw.withdraw(client, OURS)
    (asked,) = cluster.of("delete", "namespaces/shop/configmaps")
    assert asked.body["preconditions"] == {"uid": seen["uid"], "resourceVersion": seen["resourceVersion"]}


@pytest.mark.parametrize(("code", "reason"), [(404, "NotFound"), (409, "Conflict")])
async def test_what_is_gone_or_anothers_by_now_is_no_problem(
    cluster: ApiServer, client: KubeClient, code: int, reason: str
) -> None:
    cluster.put(NAMESPACES, "shop")
    publish(cluster, "shop")
    cluster.fail(Fault("delete", code=code, reason=reason))
    assert await withdraw.withdraw(client, OURS) == (0, [])


async def test_one_namespace_that_refuses_keeps_no_other(cluster: ApiServer, client: KubeClient) -> None:
    for namespace in ("a", "b", "c"):
        cluster.put(NAMESPACES, namespace)
        publish(cluster, namespace)
    cluster.fail(Fault("delete", code=403, reason="Forbidden", message="no right"))
    removed, problems = await withdraw.withdraw(client, OURS)
    assert (removed, len(problems)) == (2, 1)
    assert problems[0].endswith("no right")


async def test_many_namespaces_come_page_by_page(
    cluster: ApiServer, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withdraw, "PAGE", 2)
    for number in range(5):
        cluster.put(NAMESPACES, f"n{number}")
        publish(cluster, f"n{number}")
    assert await withdraw.withdraw(client, OURS) == (5, [])
    assert len(cluster.of("list", "namespaces")) == 3


async def test_the_command_says_what_it_did(
    cluster: ApiServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(withdraw, "open_client", lambda settings, name: cluster.client())
    cluster.put(NAMESPACES, "shop")
    publish(cluster, "shop")
    assert await withdraw.run(CitadelSettings()) == 0
    assert capsys.readouterr().out == f"1 ConfigMaps {NAME} removed\n"
    cluster.fail(Fault("list", code=403, reason="Forbidden", message="no right"))
    assert await withdraw.run(CitadelSettings()) == 1
    assert "the namespaces cannot be listed: no right" in capsys.readouterr().err


async def test_a_list_that_fails_is_told(cluster: ApiServer, client: KubeClient) -> None:
    cluster.fail(Fault("list", code=500, reason="InternalError"))
    with pytest.raises(KubeError):
        await withdraw.withdraw(client, OURS)
