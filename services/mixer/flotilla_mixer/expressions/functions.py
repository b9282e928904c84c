"""The functions of the language at run time (mixer.md 3.2). Each raises EvaluationError."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

import idna
import re2  # type: ignore[import-untyped]

from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_shared.model.expressions import Timestamp

EMPTY_MAP: Mapping[str, str] = MappingProxyType({})
NANOSECONDS = 1_000_000_000
V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_MOMENT = re.compile(
    r"(\d{4}-(?:0[1-9]|1[0-2])-\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,}))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII
)
# RFC 5322's addr-spec without comments and blanks; letters may be any that are not ASCII. What Python's own `email`
# offers for this recurses, takes time by the square of the text, and raises what it does not say.
_ATOMS = r"[^\x00-\x20\x7f\"(),.:;<>@\[\]\\]+(?:\.[^\x00-\x20\x7f\"(),.:;<>@\[\]\\]+)*"
_MAILBOX = re.compile(rf'(?:({_ATOMS})|"((?:[^\x00-\x1f\x7f"\\]|\\[^\x00-\x1f\x7f])+)")@({_ATOMS})\Z')
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*\Z")
_PATTERNS = re2.Options()
_PATTERNS.log_errors = False
_REMEMBERED = 4096
_PATTERNS_REMEMBERED = 256  # each takes up to some megabytes, and a pattern may come with a request
_LONGEST_NAME = 1024  # before it is normalized; afterwards 253 are allowed
_LONGEST_MAILBOX = 320  # RFC 5321: 64, an @ and 255
_LONGEST_REMEMBERED = 1024


@lru_cache(_REMEMBERED)
def ip(text: str) -> bytes:
    """The address as 16 bytes, as Go has it; an IPv4 address is mapped."""
    try:
        if "%" in text:
            raise ValueError(text)
        found = ipaddress.ip_address(text)
    except ValueError:
        raise EvaluationError(f"could not convert {text} to IP_ADDRESS") from None
    return V4_MAPPED + found.packed if found.version == 4 else found.packed


def ip_equal(one: bytes, other: bytes) -> bool:
    """An IPv4 address is the same as its form in IPv6."""
    return _whole_address(one) == _whole_address(other)


def _whole_address(address: bytes) -> bytes:
    return V4_MAPPED + address if len(address) == 4 else address


def timestamp(text: str) -> Timestamp:
    """An RFC 3339 moment."""
    found = _MOMENT.match(text)
    try:
        if found is None:
            raise ValueError(text)
        day, hour, minute, second, fraction, zone = found.groups()
        whole = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{'+00:00' if zone == 'Z' else zone}")
    except ValueError:
        expected = "expected format: '2006-01-02T15:04:05Z07:00'"
        raise EvaluationError(f"could not convert '{text}' to TIMESTAMP. {expected}") from None
    seconds = (whole - _EPOCH).days * 86_400 + (whole - _EPOCH).seconds
    return Timestamp(seconds * NANOSECONDS + int((fraction or "0")[:9].ljust(9, "0")))


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@lru_cache(_REMEMBERED)
def _ascii_name(text: str) -> str:
    """A DNS name in the form in which names are compared. Raises ValueError with what is wrong with it."""
    bare = text.removesuffix(".")
    if not bare or len(bare) > _LONGEST_NAME:
        raise ValueError(f'idna: invalid label "{text}"')
    try:
        return idna.encode(bare, uts46=True, std3_rules=True).decode().lower()
    except idna.IDNAError:
        wrong = next((label for label in bare.split(".") if not _is_label(label)), bare)
        raise ValueError(f'idna: invalid label "{wrong}"') from None


def _is_label(label: str) -> bool:
    try:
        idna.encode(label, uts46=True, std3_rules=True)
    except idna.IDNAError:
        return False
    return True


def dns_name(text: str) -> str:
    try:
        _ascii_name(text)
    except ValueError as error:
        raise EvaluationError(f"error converting '{text}' to dns name: '{error}'") from None
    return text


def dns_equal(one: str, other: str) -> bool:
    """Names without regard to case and a dot at the end."""
    try:
        return _ascii_name(one) == _ascii_name(other)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


@lru_cache(_REMEMBERED)
def _mailbox(text: str) -> tuple[str, str]:
    """The local part and the comparable domain. Raises ValueError with what is wrong."""
    if len(text) > _LONGEST_MAILBOX:
        raise ValueError(f"mail: longer than {_LONGEST_MAILBOX} characters")
    found = _MAILBOX.match(text)
    if found is None:
        if text.startswith("@"):
            raise ValueError("mail: missing word in phrase: mail: invalid string")
        raise ValueError("mail: missing '@' or angle-addr")
    plain, quoted, domain = found.groups()
    return plain or re.sub(r"\\(.)", r"\1", quoted), _ascii_name(domain)


def email(text: str) -> str:
    try:
        _mailbox(text)
    except ValueError as error:
        raise EvaluationError(f"error converting '{text}' to e-mail: '{error}'") from None
    return text


def email_equal(one: str, other: str) -> bool:
    """The local part exactly, the domain as a DNS name."""
    try:
        return _mailbox(one) == _mailbox(other)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _split_uri(text: str) -> SplitResult:
    """Raises EvaluationError."""
    return _split_short_uri(text) if len(text) <= _LONGEST_REMEMBERED else _parse_uri(text)


def _parse_uri(text: str) -> SplitResult:
    """Raises EvaluationError."""
    try:
        if not text:
            raise ValueError("empty url")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise ValueError("invalid control character in URL")
        scheme, colon, _ = text.partition(":")
        if colon and "/" not in scheme and "?" not in scheme and not _SCHEME.match(scheme):
            raise ValueError(
                "missing protocol scheme" if not scheme else "first path segment in URL cannot contain colon"
            )
        found = urlsplit(text)
        if "[" in found.netloc and "]" not in found.netloc:
            raise ValueError("missing ']' in host")
        _ = found.port
    except ValueError as error:
        said = "missing ']' in host" if "IPv6" in str(error) else str(error)
        raise EvaluationError(f"error converting string to uri '{text}': 'parse \"{text}\": {said}'") from None
    return found


_split_short_uri = lru_cache(_REMEMBERED)(_parse_uri)


def uri(text: str) -> str:
    _split_uri(text)
    return text


def uri_equal(one: str, other: str) -> bool:
    """Scheme and, for HTTP, host without regard to case; the rest exactly."""
    return _comparable_uri(one) == _comparable_uri(other)


def _comparable_uri(text: str) -> tuple[object, ...]:
    found = _split_uri(text)
    if found.scheme not in ("http", "https") or not found.hostname:
        return (found.scheme, found.netloc, *found[2:])
    try:
        host = _ascii_name(found.hostname)
    except ValueError:
        host = found.hostname
    return (found.scheme, host, found.port, found.username, found.password, *found[2:])


def match(text: str, pattern: str) -> bool:
    """A pattern with a star at its end or, if not there, at its beginning; else equality."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    return text == pattern


@lru_cache(_PATTERNS_REMEMBERED)
def _pattern(text: str) -> object:
    """Raises EvaluationError. RE2 takes time in proportion to the text whatever the pattern is."""
    try:
        return re2.compile(text, _PATTERNS)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise EvaluationError(f"error parsing regexp: {said}") from None


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text."""
    return bool(_pattern(pattern).search(text))  # type: ignore[attr-defined]


def size(text: str) -> int:
    """In bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def wrapped(number: int) -> int:
    """A sum as 64 bits hold it."""
    return (number + 2**63) % 2**64 - 2**63
