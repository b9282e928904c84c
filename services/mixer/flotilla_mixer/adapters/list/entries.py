"""Lists by kind of entry: texts, texts whatever their case, addresses, patterns."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import re2  # type: ignore[import-untyped]
import yaml

from flotilla_protos.istio.mixer.adapter.list.config.config_pb2 import Params
from flotilla_shared.notation.values import read_value

Kind = Params.ListEntryType
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PATTERNS = re2.Options()
_PATTERNS.log_errors = False


class Entries(Protocol):
    """A list. Made of texts; raises ValueError for one that is no entry."""

    def has(self, value: str) -> bool:
        """Raises ValueError for a value that the list cannot be asked about."""
        ...


class Texts:
    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = frozenset(texts)

    def has(self, value: str) -> bool:
        return value in self._texts


class TextsOfAnyCase:
    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = frozenset(text.upper() for text in texts)

    def has(self, value: str) -> bool:
        return value.upper() in self._texts


class Patterns:
    """RE2 patterns, found anywhere in a value."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._patterns = [_pattern(text) for text in texts]

    def has(self, value: str) -> bool:
        return any(pattern.search(value) for pattern in self._patterns)  # type: ignore[attr-defined]


class Addresses:
    """Addresses and networks. An IPv4 address is the same as its form in IPv6."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks: dict[tuple[int, int], set[int]] = {}
        for text in texts:
            found = _network(text)
            self._networks.setdefault((found.version, found.prefixlen), set()).add(int(found.network_address))

    def has(self, value: str) -> bool:
        found = ipaddress.ip_address(value)
        found = getattr(found, "ipv4_mapped", None) or found
        bits, number = found.max_prefixlen, int(found)
        return any(
            version == found.version and (number >> (bits - length) << (bits - length)) in networks
            for (version, length), networks in self._networks.items()
        )


def _pattern(text: str) -> object:
    try:
        return re2.compile(text, _PATTERNS)
    except re2.error as error:
        said = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{text!r} is no pattern: {said}") from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no address and no network") from None


_KINDS: Mapping[int, Callable[[Iterable[str]], Entries]] = {
    Kind.STRINGS: Texts,
    Kind.CASE_INSENSITIVE_STRINGS: TextsOfAnyCase,
    Kind.IP_ADDRESSES: Addresses,
    Kind.REGEX: Patterns,
}


def entries_of(kind: int, texts: Iterable[str]) -> Entries:
    """The list of these entries, of a kind that there is. Raises ValueError with the first that is none."""
    return _KINDS[kind](texts)


def is_kind(kind: int) -> bool:
    """A number from elsewhere may be no kind of entry."""
    return kind in _KINDS


def read_content(kind: int, content: str) -> list[str]:
    """The entries of what a provider gave: a line each, and addresses as YAML under `whitelist`. Raises ValueError."""
    if kind != Kind.IP_ADDRESSES:
        return [line for line in content.splitlines() if line]
    try:
        found = read_value(content)
    except yaml.YAMLError as error:
        raise ValueError(f"the list is no YAML: {error}") from error
    listed = found.get("whitelist") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("the list has no `whitelist`")  # noqa: TRY004  # as of content that is wrong otherwise
    return [str(each) for each in listed]
