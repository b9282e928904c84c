"""reviews: what readers say. v1 shows no stars, v2 black ones, v3 red ones; the stars come from ratings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flotilla_bookinfo.neighbours import Answer, Neighbours, travelling
from flotilla_bookinfo.service import assemble, bad_id, product_id

COLORS = {"v2": "black", "v3": "red"}
# The original's: v2 waits for ratings longer than productpage for reviews; a fault of 7 s brings it to light.
PATIENCE_SECONDS = {"v2": 10.0, "v3": 2.5}
TEXTS = (
    (
        "Reviewer1",
        "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!",
    ),
    (
        "Reviewer2",
        "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare.",
    ),
)


class Reviews:
    """The reviews of one version; `name` stands in its answers as the process that gave them."""

    def __init__(self, version: str, name: str, neighbours: Neighbours) -> None:
        self._version = version
        self._name = name
        self._neighbours = neighbours

    async def show(self, request: Request) -> Response:
        number = product_id(request)
        if number is None:
            return bad_id()
        ratings = None
        if self._version in COLORS:
            ratings = await self._neighbours.get(
                "ratings",
                f"/ratings/{number}",
                travelling(request.headers),
                seconds=PATIENCE_SECONDS[self._version],
                failure="Ratings service is currently unavailable",
            )
        reviews = [self._review(reviewer, text, ratings) for reviewer, text in TEXTS]
        return JSONResponse({"id": str(number), "podname": self._name, "clustername": "null", "reviews": reviews})

    def _review(self, reviewer: str, text: str, ratings: Answer | None) -> dict[str, Any]:
        review: dict[str, Any] = {"reviewer": reviewer, "text": text}
        if ratings is not None:
            review["rating"] = self._rating(reviewer, ratings)
        return review

    def _rating(self, reviewer: str, ratings: Answer) -> dict[str, Any]:
        if not ratings.ok:
            return dict(ratings.body)
        return {"stars": ratings.body["ratings"].get(reviewer, -1), "color": COLORS[self._version]}


def application(environment: Mapping[str, str]) -> Starlette:
    version = environment.get("VERSION", "v1")
    neighbours = Neighbours(environment)
    reviews = Reviews(version, environment.get("POD_NAME", f"reviews-{version}"), neighbours)
    return assemble("reviews", environment, [Route("/reviews/{product}", reviews.show)], neighbours)
