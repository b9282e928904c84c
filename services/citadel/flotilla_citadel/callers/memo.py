"""A bounded memory of verified credentials: each is verified once, and not at every renewal."""

from __future__ import annotations

import hashlib

from flotilla_citadel.callers.caller import Caller


class Memo:
    """Credential -> caller until the credential ends. Keys are hashes: no token is kept. Not thread-safe (one
    loop).

    Peers choose the keys, so the number is bounded: when it is reached, all is forgotten and verified anew.
    Only successes are kept; a refusal costs its verification each time.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._callers: dict[bytes, tuple[Caller, float]] = {}

    def __len__(self) -> int:
        return len(self._callers)

    @staticmethod
    def key(credential: bytes) -> bytes:
        return hashlib.sha256(credential).digest()

    def get(self, key: bytes, now: float) -> Caller | None:
        """The caller of a credential that has not ended at `now`."""
        found = self._callers.get(key)
        if found is None:
            return None
        caller, end = found
        if end <= now:
            del self._callers[key]
            return None
        return caller

    def put(self, key: bytes, caller: Caller, until: float | None = None) -> None:
        """Remember a caller while its credential lasts, and not after `until`."""
        if len(self._callers) >= self._limit:
            self._callers.clear()
        end = caller.expires if until is None else min(caller.expires, until)
        self._callers[key] = (caller, end)

    def clear(self) -> None:
        """Forget all: what they were verified with has changed."""
        self._callers.clear()
