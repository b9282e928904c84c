"""What the forward protocol lets a client send, read strictly, with another MessagePack than the adapter's.

Source: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1. What it only should do, it must here.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack

from flotilla_mixer.testing.fluentd_entries import FluentdEntry, Violation, demand, read_entry

OPTIONS = {"size", "chunk", "compressed"}
CHUNK_BYTES = 16
MOST_BYTES = 64 * 1024 * 1024


def unpacker() -> Any:
    return msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=MOST_BYTES)


@dataclass(frozen=True)
class Received:
    """A message of events. `mode` is that of the protocol."""

    mode: str
    tag: str
    entries: list[FluentdEntry]
    option: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chunk(self) -> str:
        return str(self.option.get("chunk", ""))


def read_message(message: Any) -> Received:
    """A message of events, decoded. Raises Violation."""
    demand(isinstance(message, list) and 2 <= len(message) <= 4, f"{str(message)[:80]} is no message")
    tag, second = message[0], message[1]
    demand(isinstance(tag, str) and tag, f"{tag!r} is no tag")
    if isinstance(second, (list, bytes)):
        demand(len(message) <= 3, "a message of several events has at most three parts")
        option = _option(message[2]) if len(message) == 3 else {}
        return _several(tag, second, option)
    demand(len(message) >= 3, "a message of one event has a time and a record")
    option = _option(message[3]) if len(message) == 4 else {}
    return Received("Message", tag, [read_entry(tag, message[1:3])], option)


def _several(tag: str, entries: Any, option: Mapping[str, Any]) -> Received:
    mode = "Forward"
    if isinstance(entries, bytes):
        mode = "PackedForward"
        if option.get("compressed") == "gzip":
            mode, entries = "CompressedPackedForward", _decompressed(entries)
        entries = _stream(entries)
    found = [read_entry(tag, each) for each in entries]
    demand(found, "a message has no entries")
    demand(option.get("size", len(found)) == len(found), f"{len(found)} entries, and size says {option.get('size')}")
    return Received(mode, tag, found, option)


def _decompressed(content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise Violation(f"no gzip: {error}") from error


def _stream(content: bytes) -> list[Any]:
    """Whole entries, and nothing after them."""
    reader = unpacker()
    reader.feed(content)
    try:
        found = list(reader)
    except (ValueError, msgpack.UnpackException) as error:
        raise Violation(f"no stream of entries: {error}") from error
    demand(reader.tell() == len(content), "an entry is not whole")
    return found


def _option(option: Any) -> Mapping[str, Any]:
    demand(isinstance(option, dict) and option.keys() <= OPTIONS, f"{option!r} are no options")
    demand(option.get("compressed", "gzip") == "gzip", f"{option!r}: gzip is the only compression")
    demand(isinstance(option.get("size", 1), int), f"{option!r}: size is a number")
    if "chunk" in option:
        try:
            chunk = base64.b64decode(option["chunk"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise Violation(f"{option!r}: a chunk is Base64: {error}") from error
        demand(len(chunk) == CHUNK_BYTES, f"{option!r}: a chunk has 128 bits")
    return dict(option)


@dataclass(frozen=True)
class Security:
    """What a server demands in the handshake. Without `users` it wants no user."""

    shared_key: str
    users: Mapping[str, str] = field(default_factory=dict)
    hostname: str = "receiver.test"
    nonce: bytes = b"\xff\x00 a nonce that is no UTF-8"
    auth: bytes = b"\xfe a salt"
    keepalive: bool = True

    def helo(self) -> bytes:
        auth = self.auth if self.users else ""
        return msgpack.packb(["HELO", {"nonce": self.nonce, "auth": auth, "keepalive": self.keepalive}])  # type: ignore[no-any-return]

    def pong(self, message: Any) -> tuple[bytes, str]:
        """The PONG that answers a PING, and why it refuses, or nothing. Raises Violation for what is no PING."""
        demand(isinstance(message, list) and len(message) == 6 and message[0] == "PING", "no PING of six parts")
        demand(all(isinstance(part, str) for part in (message[1], *message[3:])), "parts of a PING are texts")
        _, hostname, salt, digest, user, password = message
        salt = salt.encode() if isinstance(salt, str) else salt
        reason = self._refusal(hostname, salt, digest, user, password)
        proof = "" if reason else self._digest(salt, self.hostname)
        return msgpack.packb(["PONG", not reason, reason, self.hostname, proof]), reason

    def _refusal(self, hostname: str, salt: bytes, digest: str, user: str, password: str) -> str:
        if hostname == self.hostname:
            return "same hostname between input and output: invalid configuration"
        if not hmac.compare_digest(digest, self._digest(salt, hostname)):
            return "shared_key mismatch"
        if not self.users:
            demand(not user and not password, "nobody asked for a user")
            return ""
        known = self.users.get(user)
        right = known is not None and password == _hex(self.auth, user.encode(), known.encode())
        return "" if right else "username/password mismatch"

    def _digest(self, salt: bytes, hostname: str) -> str:
        return _hex(salt, hostname.encode(), self.nonce, self.shared_key.encode())


def _hex(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()
