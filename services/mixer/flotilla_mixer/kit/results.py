"""What handlers answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

OK = 0

Operation = Literal["REPLACE", "REMOVE", "APPEND"]


@dataclass(frozen=True, slots=True)
class HeaderOperation:
    """What is to become of one header; `value` is empty for REMOVE."""

    operation: Operation
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class RouteDirective:
    """What a proxy is to change of a request that is let through, and of its answer."""

    request: tuple[HeaderOperation, ...] = ()
    response: tuple[HeaderOperation, ...] = ()


UNCHANGED = RouteDirective()


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """What a caller over HTTP reads in place of the usual text of a denial. A code of 0 is that of the denial."""

    code: int = 0
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def header_lines(self) -> list[tuple[str, str]]:
        """The headers one by one: cookies that stand in one text, with commas between, each by itself."""
        return [
            (name, each.strip())
            for name, value in self.headers
            for each in (value.split(",") if name.lower() == "set-cookie" else [value])
        ]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A google.rpc code with its message, and how long and how often a client may use it again. `direct` is for denials.

    `outputs` are what a template with outputs gives beside it, by name. The defaults mean "no opinion" (mixer.md 7.2).
    """

    code: int = OK
    message: str = ""
    valid_seconds: float = 0.0
    valid_uses: int = 0
    directive: RouteDirective = UNCHANGED
    direct: DirectResponse | None = None
    outputs: Mapping[str, object] | None = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        return self.code == OK


DEFAULT = CheckResult()
# What holds when nobody had an opinion.
UNOPPOSED = CheckResult(valid_seconds=60.0, valid_uses=10_000)


@dataclass(frozen=True, slots=True)
class Room:
    """What a quota has left after a call: `limit` of it in all, `left` now. More is there in `resets` seconds; 0 where
    nothing is used. `window` is in seconds, 0 for a quota that comes back by hand alone.
    """

    limit: int
    left: int
    window: float
    resets: float


@dataclass(frozen=True, slots=True)
class QuotaResult:
    """How much was granted, for how long. Nothing granted refuses; `code` and `message` may say why. `room` is for callers
    that want to be told of it.

    The defaults mean "no opinion".
    """

    amount: int = 0
    valid_seconds: float = 0.0
    code: int = OK
    message: str = ""
    room: Room | None = field(default=None, compare=False)


NO_OPINION = QuotaResult()
GRANT_SECONDS = 60.0  # of a quota that nobody limits
