"""Grants that a failover cannot take back: Redis is asked whether its replicas have them (docs/adr/0163)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

from flotilla_mixer.adapters.redisquota.replies import Reply


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many must have what a batch granted before its callers hear of it, and how long Redis waits for them."""

    number: int = 0
    seconds: float = 0.0

    def commands(self) -> Sequence[bytes]:
        """What asks for them, after a batch."""
        if not self.number:
            return ()
        words: Any = (b"WAIT", b"%d" % self.number, b"%d" % max(1, int(self.seconds * 1000)))
        return (hiredis.pack_command(words),)

    def have(self, reply: Reply) -> bool:
        return isinstance(reply, int) and reply >= self.number


NO_REPLICAS = Replicas()
