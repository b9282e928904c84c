"""The root in a Secret: what is written, what is refused, and one root for any number of replicas."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla_citadel.ca.root import Root, RootPem, make_root, read_root
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.store.load import load_shared_root
from flotilla_citadel.store.root_watch import RootWatch, SecretState
from flotilla_citadel.store.secret import NAME, SecretStore, decode_root, encode_root
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.metrics import NO_METRICS
from flotilla_shared.runtime.kube.objects import Secret
from flotilla_shared.runtime.kube.resources import SECRETS
from flotilla_shared.testing.apiserver import ApiServer, Fault, running
from flotilla_shared.testing.properties import examples

NAMESPACE = "istio-system"
NOW = datetime.now(UTC)
ROOT = make_root("cluster.local", NOW)
OTHER = make_root("cluster.local", NOW)
EXPIRED = make_root("cluster.local", NOW - timedelta(days=2), timedelta(days=1))


def secret(pem: RootPem = ROOT, *, kind: str | None = None, **data: bytes | None) -> dict[str, Any]:
    """The Secret of a root, apart from what is given (keys with `_` for `-` and without `.pem`; None: not there)."""
    whole = encode_root(pem, NAMESPACE)
    for name, value in data.items():
        key = name.replace("_", "-") + ".pem"
        if value is None:
            del whole["data"][key]
        else:
            whole["data"][key] = base64.b64encode(value).decode()
    if kind is not None:
        whole["type"] = kind
    return whole


def test_the_secret_is_as_istio_writes_it():
    whole = secret()
    assert (whole["type"], whole["metadata"]) == ("istio.io/ca-root", {"name": NAME, "namespace": NAMESPACE})
    assert {key: base64.b64decode(value) for key, value in whole["data"].items()} == {
        "ca-cert.pem": ROOT.certificate,
        "ca-key.pem": ROOT.key,
        "root-cert.pem": ROOT.certificate,
        "cert-chain.pem": b"",
        "key.pem": b"",
    }


READ = [
    secret(),
    secret(root_cert=b""),  # 1.4's
    secret(root_cert=None, cert_chain=None, key=None),
    secret(root_cert=OTHER.certificate + ROOT.certificate),  # a bundle
]


@pytest.mark.parametrize("content", READ)
def test_a_secret_of_istios_is_taken(content):
    assert decode_root(msgspec.convert(content, Secret)) == ROOT


REFUSED = [
    (secret(kind="Opaque"), "its type is Opaque, and that of a root is istio.io/ca-root"),
    (secret(kind=""), "its type is not set"),
    (secret(ca_key=None), "its key ca-key.pem is missing or empty"),
    (secret(ca_cert=b""), "its key ca-cert.pem is missing or empty"),
    (secret(root_cert=OTHER.certificate), "its root-cert.pem does not hold the certificate in ca-cert.pem"),
    (secret(ca_key=b"rubbish"), "the private key is not a plain PEM key"),
    (secret(ca_cert=b"rubbish", root_cert=b""), "the certificate is not a PEM certificate"),
    (secret(ca_key=OTHER.key), "the private key does not belong to the certificate"),
    (secret(EXPIRED), "the certificate expired at"),
]


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(SECRETS) as found:
        yield found


async def load(server: ApiServer, waiting: Callable[[str], None] = lambda reason: None) -> Root:
    """What one replica starts with."""
    client = server.client()
    await client.start()
    try:
        async with asyncio.timeout(20):
            return await load_shared_root(
                SecretStore(client, NAMESPACE), "cluster.local", waiting, Backoff(0.001, 0.002)
            )
    finally:
        await client.stop()


@pytest.mark.parametrize(("content", "words"), REFUSED)
async def test_a_broken_or_foreign_secret_is_a_refusal_and_stays(server: ApiServer, content: Any, words: str) -> None:
    parts = {key: value for key, value in copy.deepcopy(content).items() if key in ("type", "data")}
    server.put(SECRETS, NAME, NAMESPACE, **parts)
    with pytest.raises(StartRefused) as refused:
        await load(server)
    text = str(refused.value)
    assert text.startswith(f"Secret {NAMESPACE}/{NAME}: ")
    assert words in text
    assert text.endswith("mend the Secret, or delete it to begin a new mesh with a new root")
    assert base64.b64encode(ROOT.key).decode() not in text
    assert server.get(SECRETS, NAME, NAMESPACE)["data"] == content["data"]


async def test_the_first_makes_it_and_the_next_reads_it(server: ApiServer) -> None:
    made = await load(server)
    written = copy.deepcopy(server.get(SECRETS, NAME, NAMESPACE))
    assert (await load(server)).certificate == made.certificate
    assert server.get(SECRETS, NAME, NAMESPACE) == written
    assert len(server.of("create")) == 1


async def test_who_loses_the_race_signs_with_the_winners_root(server: ApiServer) -> None:
    """Both find nothing, both make one, one stores it."""
    for _ in range(2):
        server.fail(Fault("get", 404, "NotFound"))
    roots = await asyncio.gather(load(server), load(server))
    assert roots[0].certificate == roots[1].certificate
    assert len(server.of("create")) == 2


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.integers(2, 5),
    st.lists(st.sampled_from([("get", 500), ("create", 503), ("get", 403), ("create", 403)]), max_size=6),
)
async def test_any_number_of_replicas_has_one_root(replicas: int, faults: list[tuple[str, int]]) -> None:
    """Whatever the API server refuses meanwhile."""
    async with running(SECRETS) as server:
        for verb, code in faults:
            server.fail(Fault(verb, code, "told to"))
        roots = await asyncio.gather(*(load(server) for _ in range(replicas)))
        stored = decode_root(msgspec.convert(server.get(SECRETS, NAME, NAMESPACE), Secret, strict=False))
    assert {root.pem.encode() for root in roots} == {stored.certificate}


async def test_an_answer_that_was_lost_is_no_second_root(server: ApiServer) -> None:
    """The Secret was made, and Citadel did not hear of it."""
    client = server.client()
    await client.start()
    store = SecretStore(client, NAMESPACE)
    assert await store.create(ROOT) is True
    assert await store.create(OTHER) is False
    assert await store.load() == ROOT
    await client.stop()


async def test_one_root_is_made_however_often_storing_it_fails(server: ApiServer) -> None:
    server.fail(Fault("create", 503, "ServiceUnavailable", times=3))
    await load(server)
    tried = {asked.body["data"]["ca-cert.pem"] for asked in server.of("create")}
    assert (len(tried), len(server.of("create"))) == (1, 4)


async def test_why_there_is_no_root_yet_is_told(server: ApiServer) -> None:
    message = (
        'secrets "istio-ca-secret" is forbidden: User "x" cannot get resource "secrets" in the namespace "istio-system"'
    )
    server.fail(Fault("get", 403, "Forbidden", message))
    heard: list[str] = []
    await load(server, heard.append)
    assert heard == [f"Secret {NAMESPACE}/{NAME} cannot be read or made: {message}"]


def _parts(content: dict[str, Any]) -> dict[str, Any]:
    return {"type": content["type"], "data": content["data"]}


class Watched:
    """A RootWatch and what it told."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.told: list[SecretState] = []
        self.client = server.client()
        self.watch = RootWatch(
            self.client,
            NAMESPACE,
            read_root(ROOT, NOW),
            metrics=NO_METRICS,
            on_trouble=lambda state, reason: self.told.append(state),
        )

    def put(self, content: dict[str, Any]) -> None:
        self.server.put(SECRETS, NAME, NAMESPACE, **_parts(content))

    async def until(self, state: SecretState) -> str:
        async with asyncio.timeout(20):
            await self.server.until(lambda: self.watch.state is state)
        return self.watch.reason


@pytest.fixture
async def watched(server: ApiServer) -> AsyncIterator[Watched]:
    found = Watched(server)
    await found.client.start()
    yield found
    await found.watch.stop()
    await found.client.stop()


async def test_a_change_of_the_secret_is_told_each_time(watched: Watched) -> None:
    watched.put(secret())
    await watched.watch.start()
    assert await watched.until(SecretState.SAME) == ""
    watched.put(secret(OTHER))
    assert "holds another root" in await watched.until(SecretState.CHANGED)
    watched.server.put(SECRETS, NAME, NAMESPACE, metadata={"labels": {"a": "b"}}, **_parts(secret(OTHER)))
    watched.put(secret())
    assert await watched.until(SecretState.SAME) == ""
    watched.put(secret(ca_key=None))
    assert "cannot be used any more: its key ca-key.pem" in await watched.until(SecretState.CHANGED)
    watched.server.remove(SECRETS, NAME, NAMESPACE)
    assert "is gone" in await watched.until(SecretState.DELETED)
    watched.put(secret(root_cert=b""))  # the same root, as 1.4 writes it
    assert await watched.until(SecretState.SAME) == ""
    assert watched.told == [SecretState.CHANGED, SecretState.CHANGED, SecretState.DELETED]


async def test_a_secret_that_is_gone_at_the_first_look_is_told(watched: Watched) -> None:
    await watched.watch.start()
    await watched.until(SecretState.DELETED)
    assert watched.told == [SecretState.DELETED]
