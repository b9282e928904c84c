"""ratings: how many stars each reviewer gave; POST changes them for as long as the process lives."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flotilla_bookinfo.service import assemble, bad_id, product_id

STARS = {"Reviewer1": 5, "Reviewer2": 4}


class Ratings:
    """The stars given by hand in this process, by product; all others have STARS."""

    def __init__(self) -> None:
        self._given: dict[int, dict[str, int]] = {}

    async def show(self, request: Request) -> Response:
        number = product_id(request)
        if number is None:
            return bad_id()
        return self._answer(number)

    async def change(self, request: Request) -> Response:
        number = product_id(request)
        if number is None:
            return bad_id()
        try:
            stars = _stars(json.loads(await request.body()))
        except ValueError:
            return JSONResponse({"error": "please provide valid ratings JSON"}, status_code=400)
        self._given[number] = stars
        return self._answer(number)

    def _answer(self, number: int) -> Response:
        return JSONResponse({"id": number, "ratings": self._given.get(number, STARS)})


def _stars(body: object) -> dict[str, int]:
    """The body as reviewer -> stars; raises ValueError for anything else."""
    if not isinstance(body, dict) or not all(isinstance(stars, int) for stars in body.values()):
        raise ValueError("not an object of numbers")
    return body


def application(environment: Mapping[str, str]) -> Starlette:
    ratings = Ratings()
    routes = [
        Route("/ratings/{product}", ratings.show, methods=["GET"]),
        Route("/ratings/{product}", ratings.change, methods=["POST"]),
    ]
    return assemble("ratings", environment, routes)
