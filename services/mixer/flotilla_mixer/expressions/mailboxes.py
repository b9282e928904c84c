"""E-mail addresses, as Go's `net/mail` reads one: RFC 5322 with its comments, groups and quoted words.

What Python's own `email` offers for this recurses, takes time by the square of the text, and raises what it does not say.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

_REMEMBERED = 4096
LONGEST = 1024  # of what is read at all; RFC 5321 allows 320
_ATOM = re.compile(r"[^\x00-\x20\x7f()<>\[\]:;@\\,\"]+")  # with dots; any letter that is not ASCII
_QUOTED = re.compile(r'"((?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\U0010ffff]|\\[\t\x20-\x7e\x80-\U0010ffff])*)"')
_LITERAL = re.compile(r"\[([^\x00-\x20\x7f\[\]\\]*)\]")
_COMMENT_PART = re.compile(r"\\.|[^\\]", re.DOTALL)
_ENCODED = re.compile(r"=\?([^?]*)\?([^?]*)\?([^?]*)\?=\Z")
_CHARSETS = ("utf-8", "iso-8859-1", "us-ascii")


class Mailbox(NamedTuple):
    """`name` is what stands beside the address, for people."""

    local: str
    domain: str
    name: str = ""


@lru_cache(_REMEMBERED)
def read_mailbox(text: str) -> Mailbox:
    """The one address of a text. Raises ValueError with what is wrong."""
    text.encode()  # a text with half a character in it is no text; the error is a ValueError
    if len(text) > LONGEST:
        raise ValueError(f"mail: longer than {LONGEST} characters")
    reader = _Reader(text)
    found = reader.address(group=True)
    reader.skip_comments()
    if reader.rest:
        raise ValueError(f'mail: expected single address, got "{text}"')
    if len(found) != 1:
        raise ValueError("mail: group with multiple addresses" if found else "mail: empty group")
    return found[0]


class _Reader:
    """Takes from the front of `rest`."""

    def __init__(self, text: str) -> None:
        self.rest = text

    def address(self, *, group: bool) -> list[Mailbox]:
        self._skip_blanks()
        if not self.rest:
            raise ValueError("mail: no address")
        before = self.rest
        try:
            local, domain = self._spec()
        except ValueError:
            self.rest = before
            return self._named(group=group)
        self._skip_blanks()
        return [Mailbox(local, domain, self._comment_as_name() if self.rest.startswith("(") else "")]

    def _named(self, *, group: bool) -> list[Mailbox]:
        """`Name <address>`, or `name: address, address;`."""
        name = "" if self.rest.startswith("<") else self._phrase()
        self._skip_blanks()
        if group and self._takes(":"):
            return self._group()
        if not self._takes("<"):
            atoms = not name or _ATOM.fullmatch(name)
            raise ValueError("mail: missing '@' or angle-addr" if atoms else "mail: no angle-addr")
        local, domain = self._spec()
        if not self._takes(">"):
            raise ValueError("mail: unclosed angle-addr")
        return [Mailbox(local, domain, name)]

    def _group(self) -> list[Mailbox]:
        found: list[Mailbox] = []
        self._skip_blanks()
        while not self._takes(";"):
            if found and not self._takes(","):
                raise ValueError("mail: expected comma")
            self._skip_blanks()
            found += self.address(group=False)
            self.skip_comments()
        self.skip_comments()
        return found

    def _spec(self) -> tuple[str, str]:
        """`local@domain`."""
        self._skip_blanks()
        if not self.rest:
            raise ValueError("mail: no addr-spec")
        local = self._quoted() if self.rest.startswith('"') else self._atom()
        if not local:
            raise ValueError("mail: empty quoted string in addr-spec")
        if not self._takes("@"):
            raise ValueError("mail: missing @ in addr-spec")
        self._skip_blanks()
        if not self.rest:
            raise ValueError("mail: no domain in addr-spec")
        return local, self._literal() if self.rest.startswith("[") else self._atom()

    def _phrase(self) -> str:
        words: list[str] = []
        while True:
            if words:
                self.skip_comments()
            self._skip_blanks()
            if not self.rest:
                break
            try:
                word = self._quoted() if self.rest.startswith('"') else _decoded(self._atom(strict=False))
            except ValueError as error:
                if not words:
                    raise ValueError(f"mail: missing word in phrase: {error}") from None
                break
            words.append(word)
        return " ".join(words)

    def _atom(self, *, strict: bool = True) -> str:
        found = _ATOM.match(self.rest)
        if found is None:
            raise ValueError("mail: invalid string")
        self.rest = self.rest[found.end() :]
        if strict and (found[0].startswith(".") or found[0].endswith(".") or ".." in found[0]):
            raise ValueError("mail: a dot without an atom beside it")
        return found[0]

    def _quoted(self) -> str:
        found = _QUOTED.match(self.rest)
        if found is None:
            raise ValueError("mail: unclosed quoted-string, or a bad character in one")
        self.rest = self.rest[found.end() :]
        return re.sub(r"\\(.)", r"\1", found[1])

    def _literal(self) -> str:
        found = _LITERAL.match(self.rest)
        if found is None:
            raise ValueError("mail: bad domain-literal")
        try:
            ipaddress.ip_address("%" if "%" in found[1] else found[1])
        except ValueError:
            raise ValueError(f'mail: invalid IP address in domain-literal: "{found[1]}"') from None
        self.rest = self.rest[found.end() :]
        return found[0]

    def skip_comments(self) -> None:
        self._skip_blanks()
        while self.rest.startswith("("):
            self._comment()
            self._skip_blanks()

    def _comment(self) -> str:
        """What stands in the parentheses at the front; they may be nested."""
        depth = 0
        said: list[str] = []
        for part in _COMMENT_PART.finditer(self.rest):
            depth += {"(": 1, ")": -1}.get(part[0], 0)
            if not depth:
                self.rest = self.rest[part.end() :]
                return "".join(said[1:])
            said.append(part[0][-1])
        raise ValueError("mail: misformatted parenthetical comment")

    def _comment_as_name(self) -> str:
        return " ".join(_decoded(word) for word in re.split("[ \t]+", self._comment().strip(" \t")) if word)

    def _skip_blanks(self) -> None:
        self.rest = self.rest.lstrip(" \t")

    def _takes(self, sign: str) -> bool:
        if not self.rest.startswith(sign):
            return False
        self.rest = self.rest[1:]
        return True


def _decoded(word: str) -> str:
    """A word, of which only one thing matters: an encoded one of a strange character set is refused."""
    found = _ENCODED.match(word)
    if found and found[1] and found[2].lower() in ("b", "q") and found[1].lower() not in _CHARSETS:
        raise ValueError(f'charset not supported: "{found[1].lower()}"')
    return word
