"""The functions of the language at run time (mixer.md 3.2). Each raises EvaluationError."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import re2  # type: ignore[import-untyped]

from flotilla_mixer.expressions import mailboxes, names, uris
from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_mixer.expressions.moments import nanoseconds_of
from flotilla_shared.model.expressions import Timestamp

EMPTY_MAP: Mapping[str, str] = MappingProxyType({})
V4_MAPPED = b"\0" * 10 + b"\xff\xff"
_PATTERNS = re2.Options()
_PATTERNS.log_errors = False
_SINGLE_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")  # RE2 in C++ knows it, Go does not
_REMEMBERED = 4096
_PATTERNS_REMEMBERED = 256  # each takes up to some megabytes, and a pattern may come with a request


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
    try:
        return Timestamp(nanoseconds_of(text))
    except ValueError:
        expected = "expected format: '2006-01-02T15:04:05Z07:00'"
        raise EvaluationError(f"could not convert '{text}' to TIMESTAMP. {expected}") from None


def dns_name(text: str) -> str:
    """The name; labels in punycode become readable."""
    try:
        return names.checked(text)
    except ValueError as error:
        raise EvaluationError(f"error converting '{text}' to dns name: '{error}'") from None


def dns_equal(one: str, other: str) -> bool:
    """Names without regard to case and a dot at the end."""
    try:
        return names.comparable(one) == names.comparable(other)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def email(text: str) -> str:
    """The text, if it is an address without a name for people beside it."""
    try:
        found = mailboxes.read_mailbox(text)
        if found.name:
            raise ValueError("display names are not allowed")
        names.checked(found.domain)
    except ValueError as error:
        raise EvaluationError(f"error converting '{text}' to e-mail: '{error}'") from None
    return text


def email_equal(one: str, other: str) -> bool:
    """The local part exactly, the domain as a DNS name."""
    try:
        left, right = mailboxes.read_mailbox(one), mailboxes.read_mailbox(other)
        same = names.comparable(left.domain) == names.comparable(right.domain)
    except ValueError as error:
        raise EvaluationError(str(error)) from None
    return same and left.local == right.local


def uri(text: str) -> str:
    """The text, if it is a URI."""
    if not text:
        raise EvaluationError("error converting string to uri: empty string")
    try:
        uris.read_uri(text)
    except ValueError as error:
        raise _no_uri(text, error) from None
    return text


def uri_equal(one: str, other: str) -> bool:
    """Scheme and, for HTTP, host without regard to case; the rest exactly."""
    for text in (one, other):
        try:
            uris.read_uri(text)
        except ValueError as error:
            raise _no_uri(text, error) from None
    try:
        return uris.same(one, other)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _no_uri(text: str, error: ValueError) -> EvaluationError:
    return EvaluationError(f"error converting string to uri '{text}': 'parse \"{text}\": {error}'")


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
    if _SINGLE_BYTE.search(text) and "\\Q" not in text:
        raise EvaluationError("error parsing regexp: invalid escape sequence: `\\C`")
    try:
        return re2.compile(text, _PATTERNS)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise EvaluationError(f"error parsing regexp: {said}") from None


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text."""
    return bool(_pattern(pattern).search(text))  # type: ignore[attr-defined]


def lower(text: str) -> str:
    """Letter by letter, as Go does it: a word's end and what two letters would be needed for play no part."""
    return text.lower() if text.isascii() else "".join(each.lower()[:1] for each in text)


def starts_with(text: str, beginning: str) -> bool:
    return text.startswith(beginning)


def ends_with(text: str, end: str) -> bool:
    return text.endswith(end)


def chosen(condition: bool, one: str, other: str) -> str:
    """1.4's conditionalString looks at both before it chooses."""
    return one if condition else other


def size(text: str) -> int:
    """In bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def wrapped(number: int) -> int:
    """A sum as 64 bits hold it."""
    return (number + 2**63) % 2**64 - 2**63
