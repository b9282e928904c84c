"""The fluentd adapter's reading of a server: where messages end, and the handshake."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.fluentd.frames import MOST_BYTES, Frames, ProtocolError, frame_end
from flotilla_mixer.adapters.fluentd.handshake import (
    Credentials,
    Helo,
    Refused,
    check_pong,
    is_helo,
    ping,
    read_helo,
)
from flotilla_mixer.testing.fluentd_entries import Violation
from flotilla_mixer.testing.fluentd_messages import Security

KEY, SALT = "a shared key", "0123456789abcdef"
MIXER = Credentials("mixer.test", KEY)
MARY = Credentials("mixer.test", KEY, "mary", "her password")
SERVER = Security(KEY)
GUARDED = Security(KEY, users={"mary": "her password"})

OBJECTS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(),
        st.text(max_size=300),
        st.binary(max_size=300),
        st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=300)),
    ),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=20), inner, max_size=20),
    max_leaves=20,
)
SHORT = OBJECTS.map(msgpack.packb).filter(lambda content: len(content) <= MOST_BYTES)


@given(st.lists(SHORT, max_size=6), st.lists(st.integers(1, 50), max_size=400))
def test_messages_are_found_however_they_arrive(messages: list[bytes], lengths: list[int]) -> None:
    frames, found, data = Frames(), [], b"".join(messages)
    for length in lengths:
        found += list(frames.feed(data[:length]))
        data = data[length:]
    found += list(frames.feed(data))
    assert found == messages


@given(SHORT, st.data())
def test_what_is_not_whole_has_no_end(message: bytes, data: st.DataObject) -> None:
    assert frame_end(message) == len(message)
    assert frame_end(message[: data.draw(st.integers(0, len(message) - 1))]) is None


@given(st.binary(max_size=200))
def test_whatever_bytes_come_nothing_breaks(content: bytes) -> None:
    try:
        found = b"".join(Frames().feed(content))
    except ProtocolError:
        return
    assert content.startswith(found)


HOSTILE = [
    b"\xc1",
    b"\x92\xc1",
    b"\xdd\xff\xff\xff\xff" + b"\xc0" * MOST_BYTES,
    b"\xc6\xff\xff\xff\xff" + bytes(MOST_BYTES),
]


@pytest.mark.parametrize("content", HOSTILE)
def test_a_server_that_sends_what_it_must_not_is_told(content: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Frames().feed(content))


# HELO

HELOS = [
    (["HELO", {"nonce": "n", "auth": "", "keepalive": True}], Helo(b"n", b"")),
    (
        ["HELO", {"nonce": b"\xff\xfe", "auth": b"\x00\xff" * 20, "keepalive": False}],
        Helo(b"\xff\xfe", b"\x00\xff" * 20, False),
    ),
    (["HELO", {"nonce": "n" * 300, "auth": b"a" * 300}], Helo(b"n" * 300, b"a" * 300)),
    (["HELO", {"nonce": "n", "keepalive": None, "more": [1]}], Helo(b"n", b"")),
    (["HELO", {}], Helo(b"", b"")),
    (["HELO", {"nonce": 7, "auth": None}], Helo(b"", b"")),
]


@pytest.mark.parametrize(("message", "helo"), HELOS)
def test_helos(message: Any, helo: Helo) -> None:
    packed = msgpack.packb(message)
    assert is_helo(packed)
    assert read_helo(packed) == helo


def test_a_nonce_may_be_a_text_that_is_no_utf_8() -> None:
    """As servers of old write bytes."""
    packed = b"\x92\xa4HELO\x81\xa5nonce\xa3\xff\xfe\xfd"
    assert read_helo(packed) == Helo(b"\xff\xfe\xfd", b"")


NO_HELOS: list[Any] = [
    ["HELO"],
    ["HELO", 7],
    ["HELLO", {}],
    ["HELO", {}, 1],
    {"ack": "x"},
    7,
    [7, {}],
    ["HELO", {1: 2}],
]


@pytest.mark.parametrize("message", NO_HELOS)
def test_what_is_no_helo(message: Any) -> None:
    with pytest.raises(ProtocolError):
        read_helo(msgpack.packb(message))


# PING and PONG


def greeted(server: Security, credentials: Credentials) -> str:
    """Why the server refuses; raises what we refuse."""
    helo = read_helo(server.helo())
    pong, reason = server.pong(msgpack.unpackb(ping(helo, credentials, SALT)))
    check_pong(pong, helo, credentials, SALT)
    return reason


@pytest.mark.parametrize("credentials", [MIXER, MARY])
def test_both_know_the_key(credentials: Credentials) -> None:
    assert greeted(SERVER, credentials) == ""


def test_a_user_with_a_password() -> None:
    assert greeted(GUARDED, MARY) == ""


REFUSALS = [
    (SERVER, Credentials("mixer.test", "another"), "shared_key mismatch", False),
    (GUARDED, Credentials("mixer.test", KEY, "mary", "another"), "username/password mismatch", False),
    (GUARDED, Credentials("mixer.test", KEY, "john", "her password"), "username/password mismatch", False),
    (GUARDED, MIXER, "wants a user: set username", True),
    (SERVER, Credentials("receiver.test", KEY), "same hostname", False),
]


@pytest.mark.parametrize(("server", "credentials", "said", "hopeless"), REFUSALS)
def test_who_is_refused(server: Security, credentials: Credentials, said: str, hopeless: bool) -> None:
    with pytest.raises(Refused, match=said) as found:
        greeted(server, credentials)
    assert found.value.hopeless is hopeless


def test_a_server_that_does_not_know_the_key_is_refused() -> None:
    """One that says yes to everybody learns nothing of the entries."""
    helo = read_helo(SERVER.helo())
    for digest in ("", "0" * 128, 7):
        with pytest.raises(Refused, match="does not know the shared key"):
            check_pong(msgpack.packb(["PONG", True, "", "receiver.test", digest]), helo, MIXER, SALT)


def test_a_server_that_repeats_what_we_said_is_refused() -> None:
    """A PING has a proof of the key with our own name in it, which must not count as the server's."""
    helo = read_helo(SERVER.helo())
    _, hostname, _, digest, *_ = msgpack.unpackb(ping(helo, MIXER, SALT))
    with pytest.raises(Refused, match=r"is called 'mixer\.test' as this Mixer is"):
        check_pong(msgpack.packb(["PONG", True, "", hostname, digest]), helo, MIXER, SALT)


NO_PONGS: list[Any] = [["PONG"], ["PING", True, "", "h", "d"], {"ack": "x"}, 7, ["PONG", True, "", "h", "d", "e"]]


@pytest.mark.parametrize("message", NO_PONGS)
def test_what_is_no_pong(message: Any) -> None:
    with pytest.raises(ProtocolError):
        check_pong(msgpack.packb(message), Helo(b"n", b""), MIXER, SALT)


@given(st.binary(max_size=60))
def test_whatever_a_server_sends_it_is_refused_or_read(content: bytes) -> None:
    helo = Helo(b"n", b"")
    for head in (b"", b"\x92\xa4HELO", b"\x95\xa4PONG"):
        with pytest.raises((ProtocolError, Refused)):
            check_pong(head + content, helo, MIXER, SALT)
        try:
            read_helo(head + content)
        except ProtocolError:
            continue


@given(
    st.text(min_size=1),
    st.text(min_size=1),
    st.text(min_size=1),
    st.text(min_size=1),
    st.binary(),
    st.binary(min_size=1),
)
def test_any_key_and_any_user(key: str, user: str, password: str, host: str, nonce: bytes, auth: bytes) -> None:
    server = Security(key, users={user: password}, hostname=f"not {host}", nonce=nonce, auth=auth)
    assert greeted(server, Credentials(host, key, user, password)) == ""


def test_secrets_are_not_shown() -> None:
    assert "her password" not in repr(MARY)
    assert KEY not in repr(MARY)


def test_the_receiver_of_tests_is_strict() -> None:
    digest = msgpack.unpackb(ping(read_helo(SERVER.helo()), MIXER, SALT))[3]
    for wrong in (["PING"], ["PING", "h", SALT, digest, "u", "p", "more"], ["PONG", "h", SALT, digest, "", ""]):
        with pytest.raises(Violation):
            SERVER.pong(wrong)
    with pytest.raises(Violation, match="nobody asked for a user"):
        SERVER.pong(["PING", "mixer.test", SALT, digest, "mary", "p"])
