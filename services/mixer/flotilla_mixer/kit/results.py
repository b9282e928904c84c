"""What check handlers answer."""

from __future__ import annotations

from dataclasses import dataclass

OK = 0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A google.rpc code with its message, and how long and how often a client may use it again.

    The defaults mean "no opinion" (mixer.md 7.2).
    """

    code: int = OK
    message: str = ""
    valid_seconds: float = 0.0
    valid_uses: int = 0

    @property
    def ok(self) -> bool:
        return self.code == OK


DEFAULT = CheckResult()
# What holds when nobody had an opinion.
UNOPPOSED = CheckResult(valid_seconds=60.0, valid_uses=10_000)
