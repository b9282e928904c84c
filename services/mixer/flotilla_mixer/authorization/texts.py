"""Texts and addresses against the values that policies list."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

import re2  # type: ignore[import-untyped]

TextTest = Callable[[str], bool]
ANY = "*"
MAPPED = b"\0" * 10 + b"\xff\xff"
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def text_test(values: Iterable[str], *, fold: bool = False) -> TextTest:
    """Whether a text is one of these: exact, `prefix*`, `*suffix`, or `*` for any that is not empty. `fold`: whatever
    its case.
    """
    listed = [each.lower() if fold else each for each in values]
    exact = frozenset(each for each in listed if not (each.startswith(ANY) or each.endswith(ANY)))
    suffixes = tuple(each[1:] for each in listed if each.startswith(ANY) and each != ANY)
    prefixes = tuple(each[:-1] for each in listed if each.endswith(ANY) and not each.startswith(ANY))
    if ANY in listed:
        return _not_empty if "" not in exact else _always
    if not (suffixes or prefixes):
        return (lambda text: text.lower() in exact) if fold else exact.__contains__

    def test(text: str) -> bool:
        text = text.lower() if fold else text
        return text in exact or text.startswith(prefixes) or text.endswith(suffixes)

    return test


def _not_empty(text: str) -> bool:
    return bool(text)


def _always(text: str) -> bool:
    return True


def pattern_test(patterns: Iterable[str]) -> TextTest:
    """Whether a text as a whole is of one of these regular expressions, which are RE2's. Raises ValueError where RE2 does
    not take them, as when they are too many.
    """
    try:
        found = re2.compile("|".join(f"(?:{each})" for each in patterns), _OPTIONS)
    except re2.error as error:
        raise ValueError(f"a pattern cannot be compiled: {error}") from error
    return lambda text: found.fullmatch(text) is not None


def quoted(text: str) -> str:
    """The text as a regular expression, in which a star stands for anything."""
    return ".*".join(map(_escape, text.split(ANY)))


def _escape(text: str) -> str:
    return str(re2.escape(text))


class Networks:
    """Addresses and networks. Raises ValueError for a text that is neither."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks: dict[tuple[int, int], set[int]] = {}
        for text in texts:
            found: Any = ipaddress.ip_network(text, strict=False)
            key = (found.max_prefixlen // 8, found.max_prefixlen - found.prefixlen)
            self._networks.setdefault(key, set()).add(int(found.network_address) >> key[1])

    def has(self, address: bytes) -> bool:
        """Whether an address of 4 or 16 bytes is one of them; IPv4 in the form of IPv6 is IPv4."""
        if len(address) == 16 and address.startswith(MAPPED):
            address = address[12:]
        number, size = int.from_bytes(address), len(address)
        return any(size == of and number >> shift in found for (of, shift), found in self._networks.items())


ONE_PART, REST_OF_PATH = "{*}", "{**}"
# The characters that Envoy's templates let a part of a path have.
_LETTERS = r"a-zA-Z0-9\-._~%!$&'()+,;:@="


def is_template(path: str) -> bool:
    return ONE_PART in path or REST_OF_PATH in path


def template_pattern(path: str) -> str:
    """A path with `{*}` for one part and `{**}` for any number, as a regular expression (Envoy's uri_template)."""
    parts = [_part(each) for each in path.split("/")]
    return "/".join(parts)


def _part(text: str) -> str:
    if text == ONE_PART:
        return f"[{_LETTERS}]+"
    return f"[{_LETTERS}/]*" if text == REST_OF_PATH else _escape(text)
