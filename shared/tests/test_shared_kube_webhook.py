"""The caBundle follows the root and whoever edits it, and nothing else changes."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.resources import VALIDATING_WEBHOOKS
from flotilla_shared.runtime.kube.webhook import CaBundlePatcher
from flotilla_shared.testing.apiserver import ApiServer, Fault, running

NAME = "istio-galley"
HOOKS: list[dict[str, Any]] = [
    {"name": "a", "failurePolicy": "Fail", "clientConfig": {"service": {"name": "istio-galley"}}},
    {"name": "b", "failurePolicy": "Ignore", "clientConfig": {"service": {"name": "istio-galley"}, "caBundle": "eA=="}},
]


class Patching:
    """A patcher, the root that it is given, and what it said."""

    def __init__(self, server: ApiServer, client: KubeClient) -> None:
        self.server = server
        self.root = b"first"
        self.said: list[bool] = []
        self.patcher = CaBundlePatcher(
            client,
            VALIDATING_WEBHOOKS,
            NAME,
            lambda: self.root,
            on_patched=self.said.append,
            backoff=Backoff(0.01, 0.02),
        )

    def bundles(self) -> list[bytes]:
        hooks = self.server.get(VALIDATING_WEBHOOKS, NAME)["webhooks"]
        return [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in hooks]

    async def until(self, holds: Callable[[], object]) -> None:
        await asyncio.wait_for(self.server.until(holds), 20)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(VALIDATING_WEBHOOKS) as found:
        yield found


@pytest.fixture
async def patching(server: ApiServer) -> AsyncIterator[Patching]:
    client = server.client()
    await client.start()
    found = Patching(server, client)
    yield found
    await found.patcher.stop()
    await client.stop()


def put(server: ApiServer) -> None:
    server.put(VALIDATING_WEBHOOKS, NAME, webhooks=copy.deepcopy(HOOKS))


async def test_every_webhook_is_patched_and_nothing_else(server: ApiServer, patching: Patching) -> None:
    put(server)
    await patching.patcher.start()
    await patching.until(lambda: patching.patcher.current)
    hooks = server.get(VALIDATING_WEBHOOKS, NAME)["webhooks"]
    assert patching.bundles() == [b"first", b"first"]
    for hook, before in zip(hooks, HOOKS, strict=True):
        del hook["clientConfig"]["caBundle"]
        assert hook["clientConfig"] == {"service": before["clientConfig"]["service"]}
        assert (hook["name"], hook["failurePolicy"]) == (before["name"], before["failurePolicy"])
    assert patching.said == [True]
    (patch,) = server.of("patch")
    assert patch.content_type == "application/json-patch+json"
    assert {each.query.get("fieldSelector") for each in server.of("list")} == {"metadata.name=istio-galley"}


async def test_it_follows_the_root(server: ApiServer, patching: Patching) -> None:
    put(server)
    await patching.patcher.start()
    await patching.until(lambda: patching.patcher.current)
    patching.root = b"second"
    patching.patcher.root_changed()
    await patching.until(lambda: patching.bundles() == [b"second", b"second"])


async def test_it_is_put_back(server: ApiServer, patching: Patching) -> None:
    put(server)
    await patching.patcher.start()
    await patching.until(lambda: patching.patcher.current)
    put(server)  # as `helm upgrade` would
    await patching.until(lambda: patching.bundles() == [b"first", b"first"])


async def test_what_is_right_is_left_alone(server: ApiServer, patching: Patching) -> None:
    put(server)
    await patching.patcher.start()
    await patching.until(lambda: patching.patcher.current)
    patching.patcher.root_changed()
    server.put(VALIDATING_WEBHOOKS, NAME, webhooks=server.get(VALIDATING_WEBHOOKS, NAME)["webhooks"], metadata={"x": 1})
    await patching.until(lambda: len(patching.patcher._reflector.objects) == 1 and not patching.patcher._look.is_set())
    assert len(server.of("patch")) == 1


async def test_without_a_root_or_a_configuration(server: ApiServer, patching: Patching) -> None:
    patching.root = b""
    await patching.patcher.start()
    await patching.until(lambda: patching.patcher.state == "there is no root certificate yet")
    patching.root = b"first"
    patching.patcher.root_changed()
    await patching.until(lambda: patching.patcher.state == "there is no ValidatingWebhookConfiguration istio-galley")
    put(server)
    await patching.until(lambda: patching.patcher.current)


@pytest.mark.parametrize("code", [403, 409, 422, 500])
async def test_what_fails_is_tried_again(code: int, server: ApiServer, patching: Patching) -> None:
    put(server)
    server.fail(Fault("patch", code, "Trouble", "no", times=2))
    await patching.patcher.start()
    await patching.until(lambda: patching.patcher.current)
    assert patching.said == [False, False, True]


async def test_a_stale_view_patches_nothing(server: ApiServer, patching: Patching) -> None:
    put(server)
    stale = server.get(VALIDATING_WEBHOOKS, NAME)["metadata"]["resourceVersion"]
    server.put(VALIDATING_WEBHOOKS, NAME, webhooks=[HOOKS[1]])
    from flotilla_shared.runtime.kube.errors import Invalid

    with pytest.raises(Invalid):
        await patching.patcher._patch(stale, [0], "eA==")
