"""ratings: how many stars each reviewer gave; POST changes them.

The stars are kept by the store that STORE names as host:port, else in this process for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flotilla_bookinfo.service import assemble, bad_id, product_id
from flotilla_bookinfo.store import STARS, read_stars
from flotilla_bookinfo.storeclient import StoreClient, StoreError


class Ratings:
    """The service; without a store it keeps what was given by hand, and all others have STARS."""

    def __init__(self, store: StoreClient | None = None) -> None:
        self._store = store
        self._given: dict[int, dict[str, int]] = {}

    async def show(self, request: Request) -> Response:
        number = product_id(request)
        if number is None:
            return bad_id()
        if self._store is None:
            return _answer(number, self._given.get(number, STARS))
        try:
            return _answer(number, await self._store.ratings(number))
        except StoreError as error:
            return _unavailable(error)

    async def change(self, request: Request) -> Response:
        number = product_id(request)
        if number is None:
            return bad_id()
        try:
            stars = read_stars(await request.body())
        except ValueError:
            return JSONResponse({"error": "please provide valid ratings JSON"}, status_code=400)
        if self._store is None:
            self._given[number] = stars
            return _answer(number, stars)
        try:
            return _answer(number, await self._store.rate(number, stars))
        except StoreError as error:
            return _unavailable(error)


def _answer(number: int, stars: Mapping[str, int]) -> Response:
    return JSONResponse({"id": number, "ratings": dict(stars)})


def _unavailable(error: StoreError) -> Response:
    return JSONResponse({"error": f"Ratings are unavailable; the store was asked, but {error}."}, status_code=503)


def application(environment: Mapping[str, str]) -> Starlette:
    ratings = Ratings(StoreClient.from_environment(environment))
    routes = [
        Route("/ratings/{product}", ratings.show, methods=["GET"]),
        Route("/ratings/{product}", ratings.change, methods=["POST"]),
    ]
    return assemble("ratings", environment, routes)
