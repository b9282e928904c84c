"""The fluentd adapter with a shared key, a user and TLS, in files that change."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from flotilla_mixer.kit.secrets import SecretError, SecretFolders
from flotilla_mixer.testing.fluentd_handler import access, fluentd_handler
from flotilla_mixer.testing.fluentd_messages import Security
from flotilla_mixer.testing.fluentd_receiver import ForwardReceiver
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

KEY, PASSWORD = "a key that must never be shown", "a password that must never be shown"
USERS = {"mary": PASSWORD}
NAME = "fluentd.test"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@asynccontextmanager
async def serving(
    security: Security | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ForwardReceiver]:
    receiver = ForwardReceiver(security, tls)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


@asynccontextmanager
async def sending(address: str, grace: float = 0.0, **changes: Any) -> AsyncIterator[tuple[Any, Background]]:
    background = Background()
    handler = fluentd_handler(address, background, **changes)
    try:
        yield handler, background
    finally:
        await background.stop(grace)
        await handler.close()


@asynccontextmanager
async def talking(
    security: Security | None = None, context: ssl.SSLContext | None = None, **params: Any
) -> AsyncIterator[tuple[ForwardReceiver, Any, Background]]:
    """A server and a handler that sends to it."""
    async with serving(security, context) as receiver, sending(receiver.address, **params) as (handler, background):
        yield receiver, handler, background


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    return tmp_path


def keyed(files: Path, **more: Any) -> dict[str, Any]:
    return {"sharedKeyFile": str(files / "key"), "selfHostname": "mixer.test", **more}


def with_user(files: Path) -> dict[str, Any]:
    return keyed(files, username="mary", passwordFile=str(files / "password"))


async def sent(background: Background, handler: Any, *numbers: int) -> None:
    before = background.counted("sent").get("", 0)
    handler.report([access(numbers)])
    await until(lambda: background.counted("sent") == {"": before + len(numbers)})


# the handshake


@pytest.mark.parametrize("user", [False, True])
async def test_a_shared_key_and_a_user(files: Path, user: bool) -> None:
    params = with_user(files) if user else keyed(files)
    async with talking(Security(KEY, users=USERS if user else {}), **params) as (receiver, handler, background):
        await sent(background, handler, 1, 2, 3)
        await sent(background, handler, 4)
    assert len(receiver.entries) == 4
    assert (receiver.connections, receiver.wrong, receiver.refused) == (1, [], [])


async def test_a_user_is_told_to_those_alone_that_ask(files: Path) -> None:
    async with (
        serving(Security(KEY)) as receiver,
        sending(receiver.address, **with_user(files)) as (handler, background),
    ):
        await sent(background, handler, 1)
    assert receiver.wrong == [], "the receiver refuses a user that it has not asked for"


async def test_a_server_may_want_a_connection_for_each_batch(files: Path) -> None:
    async with talking(Security(KEY, keepalive=False), **keyed(files)) as (receiver, handler, background):
        for number in range(3):
            await sent(background, handler, number)
    assert (receiver.connections, receiver.wrong) == (3, [])


async def test_a_wrong_key_is_told_and_a_new_one_counts(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "key").write_text("another")
    async with talking(Security(KEY), **keyed(files)) as (receiver, handler, background):
        handler.report([access([1, 2])])
        await until(lambda: background.counted("retries"))
        assert (background.counted("retries").keys(), receiver.refused[0]) == ({"refused"}, "shared_key mismatch")
        (files / "key").write_text(f"{KEY}\n")
        await until(lambda: background.counted("sent") == {"": 2})
    assert "shared_key mismatch" in capsys.readouterr().out


async def test_a_key_that_changes_on_both_sides_costs_nothing(files: Path) -> None:
    async with talking(Security(KEY), **keyed(files)) as (receiver, handler, background):
        await sent(background, handler, 1)
        await receiver.stop()
        (files / "key").write_text("the next key")
        receiver.security = Security("the next key")
        await receiver.start()
        await sent(background, handler, 2)
    assert (receiver.connections, receiver.refused, background.counted("retries")) == (2, [], {})


async def test_a_server_without_the_key_gets_nothing(files: Path) -> None:
    """It says yes to everybody, and cannot prove that it knows the key."""

    class Impostor(Security):
        def pong(self, message: Any) -> tuple[bytes, str]:
            return b"\x95\xa4PONG\xc3\xa0\xa8impostor\xa4fake", ""

    async with talking(Impostor("whatever"), **keyed(files)) as (receiver, handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
    assert receiver.messages == []
    assert background.counted("retries").keys() == {"refused"}


HOPELESS = [(Security(KEY), {}, "set sharedKeyFile"), (Security(KEY, users=USERS), {"key": True}, "set username")]


@pytest.mark.parametrize(("security", "params", "said"), HOPELESS)
@pytest.mark.parametrize("acknowledged", [True, False])
async def test_what_another_configuration_alone_can_mend_is_not_tried_again(
    files: Path, security: Security, params: Any, said: str, acknowledged: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    more: dict[str, Any] = keyed(files) if params else {}
    async with talking(security, requireAckResponse=acknowledged, **more) as (receiver, handler, background):
        handler.report([access([1, 2])])
        await receiver.until(lambda: receiver.connections)
        async with asyncio.timeout(20):
            while not background.counted("dropped"):
                await asyncio.sleep(0.01)
                handler.report([access([3])])
    assert background.counted("dropped").keys() <= {"refused", "closing"}
    assert "refused" in background.counted("dropped")
    assert background.counted("retries").keys() <= {"unreachable"}
    assert said in capsys.readouterr().out


async def test_a_greeting_that_was_lost_is_listened_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that wants a key closes when it gets entries, and its greeting may be lost with the connection."""
    async with talking(Security(KEY)) as (receiver, handler, background):
        receiver.hello = b""
        handler.report([access([1])])
        await receiver.until(lambda: receiver.wrong)
        receiver.hello = None
        await until(lambda: background.counted("dropped"))
    assert background.counted("dropped") == {"refused": 1}
    assert "it asks for a shared key: set sharedKeyFile" in capsys.readouterr().out


async def test_a_server_that_does_not_greet_is_told(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flotilla_mixer.adapters.fluentd.connection.GREETING_SECONDS", 0.05)
    async with talking(**keyed(files)) as (_receiver, handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
    assert background.counted("retries").keys() == {"refused"}


async def test_secrets_are_in_no_log_and_in_files_of_the_folders_alone(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "password").write_text(f"{PASSWORD} and more")
    async with talking(Security(KEY, users=USERS), **with_user(files)) as (_receiver, handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
    said = capsys.readouterr()
    assert "username/password mismatch" in said.out
    assert not [secret for secret in (KEY, PASSWORD) if secret in said.out + said.err]
    background = Background(secrets=SecretFolders(("/etc/flotilla/secrets",)))
    with pytest.raises(SecretError, match="secret_folders"):
        fluentd_handler("localhost:1", background, **keyed(files))
    background.abandon()


async def test_a_key_that_is_not_there_yet_is_waited_for(files: Path) -> None:
    (files / "key").unlink()
    async with talking(Security(KEY), **keyed(files)) as (_receiver, handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
        (files / "key").write_text(KEY)
        await until(lambda: background.counted("sent") == {"": 1})
    assert background.counted("retries").keys() == {"settings"}


# TLS


class Authority:
    """Certificates of one authority, in files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._authority, self.folder = CertificateAuthorityForTests(), folder
        self.root = folder / "root.pem"
        self.root.write_text(self._authority.root_pem)

    def signed(self, name: str) -> tuple[str, str]:
        """Files of a certificate and its key."""
        found = self._authority.certificate(f"spiffe://cluster.local/ns/test/sa/{name}", (name,))
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        chain.write_bytes(found.chain_pem)
        key.write_bytes(found.key_pem)
        return str(chain), str(key)

    def server(self, clients: Authority | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.signed(NAME))
        if clients is not None:
            context.load_verify_locations(str(clients.root))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def trusted(self, **more: str) -> dict[str, Any]:
        return {"tls": {"caFile": str(self.root), "serverName": NAME, **more}}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


async def test_tls(authority: Authority, files: Path) -> None:
    async with talking(Security(KEY), authority.server(), **keyed(files), **authority.trusted()) as (
        receiver,
        handler,
        background,
    ):
        await sent(background, handler, *range(2500))
    assert (len(receiver.entries), receiver.connections, receiver.wrong) == (2500, 1, [])


async def test_mutual_tls(authority: Authority, tmp_path: Path) -> None:
    clients = Authority(tmp_path / "clients")
    certificate, key = clients.signed("mixer")
    params = authority.trusted(certificateFile=certificate, keyFile=key)
    async with talking(context=authority.server(clients), **params) as (receiver, handler, background):
        await sent(background, handler, 1)
    assert len(receiver.entries) == 1


async def failed(receiver: ForwardReceiver, **changes: Any) -> set[str]:
    """Causes for which a batch is tried again."""
    async with sending(receiver.address, **changes) as (handler, background):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
    assert receiver.messages == []
    return set(background.counted("retries"))


async def test_certificates_that_are_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    certificate, key = other.signed("mixer")
    wrong_client = authority.trusted(certificateFile=certificate, keyFile=key)
    async with serving(tls=authority.server(authority)) as receiver:
        assert await failed(receiver, **other.trusted()) == {"tls"}, "a server of an authority that nobody knows"
        assert await failed(receiver, tls={}) == {"tls"}, "nor does the system know it"
        assert await failed(receiver, **authority.trusted(serverName="another.test")) == {"tls"}
        # asyncio's servers close without a word: those of OpenSSL itself send why, see the tests with FluentServer.
        assert await failed(receiver, **authority.trusted()) <= {"tls", "unreachable"}, "the server wants a certificate"
        assert await failed(receiver, **wrong_client) <= {"tls", "unreachable"}, "and one that it knows"
        assert await failed(receiver) == {"unreachable"}, "no TLS where the server wants it"
    async with serving() as receiver:
        assert await failed(receiver, **authority.trusted()) <= {"tls", "unreachable"}, "TLS where it wants none"


async def test_files_that_cannot_be_read_are_told_by_name(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(authority.folder / "missing.pem")
    async with serving(tls=authority.server()) as receiver:
        assert await failed(receiver, **authority.trusted(caFile=missing)) == {"settings"}
        assert await failed(receiver, **authority.trusted(certificateFile=missing, keyFile=missing)) == {"settings"}
        assert missing in capsys.readouterr().out


async def test_an_authority_that_is_replaced_counts_from_the_next_connection_on(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    params = other.trusted()
    async with (
        serving(tls=authority.server()) as receiver,
        sending(receiver.address, **params) as (handler, background),
    ):
        handler.report([access([1])])
        await until(lambda: background.counted("retries"))
        other.root.write_text(authority.root.read_text())
        await until(lambda: background.counted("sent") == {"": 1})
