"""How long a certificate lives: what was asked for, a default, a maximum."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flotilla_citadel.errors import LifetimeRefused


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The rule for one authority. `default` must not be above `maximum` (the settings check it)."""

    default: timedelta
    maximum: timedelta

    def granted(self, requested_seconds: int) -> timedelta:
        """The life for a request: the default for zero or less, LifetimeRefused above the maximum."""
        if requested_seconds <= 0:
            return self.default
        # Compared as whole numbers: a 64-bit number of seconds is more than a timedelta can hold.
        if requested_seconds > self.maximum.total_seconds():
            raise LifetimeRefused(
                f"requested TTL {requested_seconds}s is greater than the max allowed TTL "
                f"{int(self.maximum.total_seconds())}s"
            )
        return timedelta(seconds=requested_seconds)
