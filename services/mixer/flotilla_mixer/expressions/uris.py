"""URIs, as Go's `net/url` reads and writes them: two are the same when they are written the same."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from flotilla_mixer.expressions.names import comparable

_REMEMBERED = 4096
_LONGEST_REMEMBERED = 1024
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPE = re.compile(rb"%[0-9a-fA-F]{2}")
_PORT = re.compile(r"(?::[0-9]*)?\Z")
_ALPHANUMERIC = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# What stands as it is in each part.
HOST = frozenset(_ALPHANUMERIC + b"-_.~!$&'()*+,;=:[]<>\"")
PATH = frozenset(_ALPHANUMERIC + b"-_.~$&+,/:;=@")
USER = frozenset(_ALPHANUMERIC + b"-_.~$&+,;=")
FRAGMENT = frozenset(_ALPHANUMERIC + b"-_.~$&+,/:;=?@!()*")
_AS_WRITTEN = frozenset(b"!$&'()*+,;=:@[]%")  # in a path or fragment that is kept as it was written
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*\Z")


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts: `host`, `user` and `password` decoded, `path` and `fragment` in the form that is written. `opaque` is
    what follows a scheme without a slash. A query that is None is not there; one may be there and empty.
    """

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    no_host: bool = False
    path: str = ""
    query: str | None = None
    fragment: str = ""

    @property
    def name_and_port(self) -> tuple[str, str]:
        """The host without brackets, and the port without its colon."""
        name, port = self.host, ""
        head, colon, tail = self.host.rpartition(":")
        if colon and _PORT.match(f":{tail}"):
            name, port = head, tail
        return (name[1:-1] if name.startswith("[") and name.endswith("]") else name), port

    def __str__(self) -> str:
        said = f"{self.scheme}:" if self.scheme else ""
        if self.opaque:
            said += self.opaque
        else:
            said += self._authority()
            if self.path and not self.path.startswith("/") and self.host:
                said += "/"
            if not said and ":" in self.path.partition("/")[0]:
                said += "./"
            said += self.path
        if self.query is not None:
            said += f"?{self.query}"
        return f"{said}#{self.fragment}" if self.fragment else said

    def _authority(self) -> str:
        if not (self.scheme or self.host or self.user is not None):
            return ""
        if self.no_host and not self.host and self.user is None:
            return ""
        slashes = "//" if self.host or self.path or self.user is not None else ""
        return (
            slashes
            + ("" if self.user is None else f"{self.user}@")
            + _escaped(self.host.encode("utf-8", "surrogateescape"), HOST)
        )


def read_uri(text: str) -> Uri:
    """Raises ValueError with what is wrong."""
    return _read_short(text) if len(text) <= _LONGEST_REMEMBERED else _read(text)


def same(one: str, other: str) -> bool:
    """Scheme and, for HTTP, host without regard to case; the rest as it is written. Raises ValueError."""
    left, right = read_uri(one), read_uri(other)
    if left.scheme != right.scheme:
        return False
    if left.scheme in ("http", "https"):
        (name, port), (other_name, other_port) = left.name_and_port, right.name_and_port
        if comparable(name) != comparable(other_name) or port != other_port:
            return False
        left = replace(left, host=right.host)
    return str(left) == str(right)


def _read(text: str) -> Uri:
    before, _, fragment = text.partition("#")
    if _CONTROL.search(before):
        raise ValueError("net/url: invalid control character in URL")
    found = _without_fragment(before)
    return replace(found, fragment=_written(fragment, FRAGMENT)) if fragment else found


_read_short = lru_cache(_REMEMBERED)(_read)


def _without_fragment(text: str) -> Uri:
    if text == "*":
        return Uri(path="*")
    if text.startswith(":"):
        raise ValueError("missing protocol scheme")
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    rest, mark, query = text[found.end() if found else 0 :].partition("?")
    asked = query if mark else None
    if not rest.startswith("/"):
        if scheme:
            return Uri(scheme, opaque=rest, query=asked)
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    user, host, no_host = None, "", False
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        user, host = _authority(authority)
        rest = slash + path
    elif scheme:
        no_host = rest.startswith("/")
    return Uri(scheme, "", user, host, no_host, _written(rest, PATH), asked)


def _authority(text: str) -> tuple[str | None, str]:
    before, at, after = text.rpartition("@")
    host = _host(after)
    if not at:
        return None, host
    if not _USERINFO.match(before):
        raise ValueError("net/url: invalid userinfo")
    name, colon, password = before.partition(":")
    parts = [_escaped(_unescaped(each), USER) for each in ((name, password) if colon else (name,))]
    return ":".join(parts), host


def _host(text: str) -> str:
    place = text.rfind("[")
    if place > 0:
        raise ValueError("invalid IP-literal")
    if place == 0:
        return _bracketed(text)
    _, colon, port = text.rpartition(":")
    if colon and not _PORT.match(f":{port}"):
        raise ValueError(f'invalid port ":{port}" after host')
    return _host_text(text)


def _bracketed(text: str) -> str:
    inner, closed, port = text[1:].rpartition("]")
    if not closed:
        raise ValueError("missing ']' in host")
    if not _PORT.match(port):
        raise ValueError(f'invalid port "{port}" after host')
    place = inner.find("%25")
    name = _host_text(inner if place < 0 else inner[:place])
    zone = "" if place < 0 else _host_text(inner[place:], zone=True)
    address, percent, after = (name + zone).partition("%")
    try:
        if percent and not after:
            raise ValueError("zone must be a non-empty string")
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise ValueError(f"invalid host: {error}") from None
    return f"[{name}{zone}]{port}"


def _host_text(text: str, *, zone: bool = False) -> str:
    """Decoded: of ASCII only a percent sign may be encoded, in a zone anything that may stand there, and blanks."""
    data = text.encode("utf-8", "surrogatepass")
    for each in _escapes(data):
        value = int(each[1:], 16)
        allowed = value == 0x20 or value in HOST if zone else value >= 0x80
        if each != b"%25" and not allowed:
            raise ValueError(f'invalid URL escape "{each.decode()}"')
    strange = next((value for value in _ESCAPE.sub(b"", data) if value < 0x80 and value not in HOST), None)
    if strange is not None:
        raise ValueError(f'invalid character "{chr(strange)}" in host name')
    return _decoded(data).decode("utf-8", "surrogateescape")


def _written(text: str, plain: frozenset[int]) -> str:
    """The form in which a path or a fragment is written: as it came, if it needs no escape that it has not."""
    data = text.encode("utf-8", "surrogatepass")
    value = _unescaped(text)
    if all(each in plain or each in _AS_WRITTEN for each in data):
        return text
    if value == b"*" and plain is PATH:
        return "*"
    return _escaped(value, plain)


def _unescaped(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    _escapes(data)
    return _decoded(data)


def _escapes(data: bytes) -> list[bytes]:
    """All escapes. Raises ValueError for a percent sign that begins none."""
    broken = re.search(rb"%(?![0-9a-fA-F]{2})", data)
    if broken is not None:
        raise ValueError(f'invalid URL escape "{data[broken.start() :][:3].decode("utf-8", "replace")}"')
    return _ESCAPE.findall(data)


def _decoded(data: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[0][1:], 16),)), data)


def _escaped(data: bytes, plain: frozenset[int]) -> str:
    return "".join(chr(each) if each in plain else f"%{each:02X}" for each in data)
