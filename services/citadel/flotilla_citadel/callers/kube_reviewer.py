"""TokenReviews by the API server, over the one client that everything shares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from flotilla_citadel.callers.review import ReviewStatus, TokenReview, review_request
from flotilla_citadel.errors import ReviewUnavailable
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.runtime.kube.resources import TOKEN_REVIEWS

REVIEW_SECONDS = 10.0
AWAY = "the token cannot be verified now, because the API server does not answer"


class KubeReviewer:
    """A Reviewer. `count` hears what became of each question (`answered` or `failed`) and how many seconds it took."""

    def __init__(
        self,
        client: KubeClient,
        audiences: tuple[str, ...],
        count: Callable[[str, float], None],
        seconds: float = REVIEW_SECONDS,
    ) -> None:
        self._client = client
        self._audiences = audiences
        self._count = count
        self._seconds = seconds

    async def review(self, token: str) -> ReviewStatus:
        """What the API server says of the token. Raises ReviewUnavailable; its detail says why, for the log."""
        began = time.monotonic()
        result = "failed"
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._ask(token)
            result = "answered"
            return status
        except TimeoutError as error:
            raise ReviewUnavailable(AWAY, detail=f"no answer in {self._seconds:g} s") from error
        except KubeError as error:
            raise ReviewUnavailable(AWAY, detail=str(error)) from error
        except msgspec.DecodeError as error:
            raise ReviewUnavailable(AWAY, detail=f"its answer is no TokenReview: {error}") from error
        finally:
            self._count(result, time.monotonic() - began)

    async def _ask(self, token: str) -> ReviewStatus:
        body = review_request(token, self._audiences)
        answer = await self._client.request("POST", TOKEN_REVIEWS.path(), body=body)
        return msgspec.json.decode(answer, type=TokenReview).status
