"""Tokens of the cluster's own service accounts: the API server is asked about each (TokenReview).

What a token says of itself is looked at first, so that one that cannot hold costs no question. An answer that it holds
is remembered for a short while under the token's hash; calls with one token share one question; and the number of
questions that are open or wait is bounded, for strangers decide how many tokens come.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from flotilla_citadel.callers.caller import Caller
from flotilla_citadel.callers.memo import Memo
from flotilla_citadel.callers.review import ReviewStatus, caller_of, check_claims, read_claims
from flotilla_citadel.callers.token import MAX_TOKEN_BYTES
from flotilla_citadel.errors import CallerRefused, RequestRefused, ReviewUnavailable
from flotilla_shared.runtime.lifecycle import Tasks

MOST_OPEN = 64
MOST_WAITING = 2_000
CACHE_SECONDS = 60.0


class Reviewer(Protocol):
    """Who is asked about a token; see KubeReviewer."""

    async def review(self, token: str) -> ReviewStatus:
        """What the API server says. Raises ReviewUnavailable when it says nothing."""
        ...


class TokenReviewAuthenticator:
    """Component. Not thread-safe: it belongs to one loop."""

    def __init__(
        self,
        reviewer: Reviewer,
        *,
        audiences: tuple[str, ...],
        trust_domain: str,
        cache_seconds: float = CACHE_SECONDS,
        most_open: int = MOST_OPEN,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._reviewer = reviewer
        self._audiences = audiences
        self._trust_domain = trust_domain
        self._cache_seconds = cache_seconds
        self._most_waiting = most_waiting
        self._memo = Memo()
        self._turns = asyncio.Semaphore(most_open)
        self._asked: dict[bytes, asyncio.Future[Caller]] = {}
        self._tasks = Tasks("token reviews")

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        """End the questions that are still open; who waits for one gets a cancellation."""
        await self._tasks.stop()

    def known(self, token: str, now: float) -> Caller | None:
        """Who holds `token` at `now`, None if the API server must be asked. Raises CallerRefused for a token that
        cannot hold.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise CallerRefused("token-too-long", f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        check_claims(read_claims(token), self._audiences, now)
        return self._memo.get(_key(token), now)

    async def ask(self, token: str) -> Caller:
        """Who holds `token`, which `known` did not know. Raises CallerRefused or ReviewUnavailable."""
        key = _key(token)
        answer = self._asked.get(key)
        if answer is None and (caller := self._memo.get(key, time.time())) is not None:
            return caller  # another call's question has been answered since `known` was asked
        if answer is None:
            if len(self._asked) >= self._most_waiting:
                raise ReviewUnavailable("too many tokens wait to be verified: try again a little later")
            answer = self._asked[key] = asyncio.get_running_loop().create_future()
            self._tasks.spawn(self._answer(key, token, answer))
        return await asyncio.shield(answer)  # one that gives up does not take the answer from the others

    async def _answer(self, key: bytes, token: str, answer: asyncio.Future[Caller]) -> None:
        try:
            answer.set_result(await self._review(key, token))
        except RequestRefused as refused:
            answer.set_exception(refused)
            answer.exception()  # seen, also when nobody waits any more
        finally:
            answer.cancel()  # where there is no answer yet, there will be none
            del self._asked[key]

    async def _review(self, key: bytes, token: str) -> Caller:
        async with self._turns:
            status = await self._reviewer.review(token)
        now = time.time()
        end = check_claims(read_claims(token), self._audiences, now)
        caller = caller_of(status, self._audiences, self._trust_domain, end)
        if self._cache_seconds:
            self._memo.put(key, caller, now + self._cache_seconds)
        return caller


def _key(token: str) -> bytes:
    return Memo.key(token.encode(errors="surrogatepass"))
