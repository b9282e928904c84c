"""The handshake of the forward protocol: HELO from the server, PING from us, PONG from the server.

Both sides prove that they know the shared key, each with the other's random text; the client proves its password, too.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import msgspec

from flotilla_mixer.adapters.fluentd.frames import ProtocolError

_decode_parts = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_options = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
TEXT_SHOWN = 200  # characters of what a server says
_SHORT_TEXT = range(0xA0, 0xC0)
_LONG_TEXT = {0xC4: 2, 0xC5: 3, 0xC6: 5, 0xD9: 2, 0xDA: 3, 0xDB: 5}  # bytes before what they hold


class Refused(Exception):
    """The server refuses us, or we the server. `hopeless`: until the handler's configuration is another."""

    def __init__(self, text: str, *, hopeless: bool = False) -> None:
        super().__init__(text)
        self.hopeless = hopeless


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the server. The key and the password are never shown."""

    hostname: str
    shared_key: str
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.hostname!r}, username={self.username!r})"


@dataclass(frozen=True, slots=True)
class Helo:
    """What the server greets with. `auth` is empty when it wants no user. Without `keepalive` a connection is for one use."""

    nonce: bytes
    auth: bytes
    keepalive: bool = True


def is_helo(frame: bytes) -> bool:
    return frame[1:6] == b"\xa4HELO"


def read_helo(frame: bytes) -> Helo:
    """Raises ProtocolError for what is no HELO."""
    _, options = _parts(frame, "HELO", 2)
    try:
        found = _decode_options(options)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"the HELO of the server has no options: {error}") from error
    keepalive = found.get("keepalive")
    return Helo(_bytes(found.get("nonce")), _bytes(found.get("auth")), keepalive is None or bytes(keepalive) != b"\xc2")


def ping(helo: Helo, credentials: Credentials, salt: str) -> bytes:
    """The PING that answers a HELO. `salt` is random text. Raises Refused when the server wants a user and there is none."""
    user = ("", "")
    if helo.auth:
        if not credentials.username:
            raise Refused("it wants a user: set username and passwordFile", hopeless=True)
        name = credentials.username
        user = (name, _hex(helo.auth, name.encode(), credentials.password.encode()))
    digest = _key_digest(salt, credentials.hostname, helo, credentials.shared_key)
    return msgspec.msgpack.encode(("PING", credentials.hostname, salt, digest, *user))


def check_pong(frame: bytes, helo: Helo, credentials: Credentials, salt: str) -> None:
    """Raises Refused for a PONG that refuses, or that does not prove the server to know the key, and ProtocolError for what
    is none.
    """
    _, *raw = _parts(frame, "PONG", 5)
    try:
        accepted, reason, hostname, digest = (_value(each) for each in raw)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"the PONG of the server cannot be read: {error}") from error
    if accepted is not True:
        raise Refused(f"it says {str(reason)[:TEXT_SHOWN]!r}")
    if hostname == credentials.hostname:
        raise Refused(f"it is called {hostname!r} as this Mixer is: set selfHostname to another name", hopeless=True)
    expected = _key_digest(salt, str(hostname), helo, credentials.shared_key)
    if not isinstance(digest, str) or not hmac.compare_digest(digest.encode(), expected.encode()):
        raise Refused("it does not know the shared key")


def _parts(frame: bytes, name: str, number: int) -> list[msgspec.Raw]:
    try:
        parts = _decode_parts(frame)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"the server sent no {name}: {error}") from error
    if len(parts) != number or _bytes(parts[0]) != name.encode():
        raise ProtocolError(f"the server sent something else than a {name} of {number} parts")
    return parts


def _value(raw: msgspec.Raw) -> Any:
    return msgspec.msgpack.decode(raw)


def _bytes(raw: msgspec.Raw | None) -> bytes:
    """Of a text or of bytes: a nonce may be either, and as text it need not be UTF-8. Anything else is empty."""
    packed = bytes(raw) if raw is not None else b""
    if not packed:
        return b""
    if packed[0] in _SHORT_TEXT:
        return packed[1:]
    start = _LONG_TEXT.get(packed[0])
    return packed[start:] if start is not None else b""


def _key_digest(salt: str, hostname: str, helo: Helo, key: str) -> str:
    return _hex(salt.encode(), hostname.encode(), helo.nonce, key.encode())


def _hex(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()
