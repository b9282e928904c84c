"""productpage: the page, and the same as JSON under /api/v1. It calls details and reviews."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from flotilla_bookinfo.neighbours import Answer, Neighbours, travelling
from flotilla_bookinfo.service import assemble, bad_id, product_id
from flotilla_bookinfo.session import COOKIE, Sessions

HERE = Path(__file__).parent
SECONDS = 3.0
PRODUCT = {
    "id": 0,
    "title": "The Comedy of Errors",
    "descriptionHtml": (
        '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: The Comedy of '
        "Errors is one of <b>William Shakespeare's</b> early plays. It is his shortest and one of his most "
        "farcical comedies, with a major part of the humour coming from slapstick and mistaken identity, in "
        "addition to puns and word play."
    ),
}


class ProductPage:
    def __init__(self, version: str, neighbours: Neighbours) -> None:
        self._version = version
        self._neighbours = neighbours
        self._sessions = Sessions()
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )

    async def front(self, _: Request) -> Response:
        return self._page("index.html", product=PRODUCT)

    async def page(self, request: Request) -> Response:
        """The book's page. It is 200 whatever happened to the neighbours: the page says what is missing."""
        details, reviews = await asyncio.gather(self._details(request, 0), self._reviews(request, 0))
        return self._page(
            "productpage.html", product=PRODUCT, user=self._user(request), details=details, reviews=reviews
        )

    async def login(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode(errors="replace"))
        response = RedirectResponse("/productpage", status_code=302)
        response.set_cookie(COOKIE, self._sessions.write(form.get("username", [""])[0]), httponly=True, samesite="lax")
        return response

    async def logout(self, _: Request) -> Response:
        response = RedirectResponse("/productpage", status_code=302)
        response.delete_cookie(COOKIE)
        return response

    async def products(self, _: Request) -> Response:
        return JSONResponse([PRODUCT])

    async def product(self, request: Request) -> Response:
        return await self._api(request, self._details)

    async def product_reviews(self, request: Request) -> Response:
        return await self._api(request, self._reviews)

    async def product_ratings(self, request: Request) -> Response:
        return await self._api(request, self._ratings)

    async def _api(self, request: Request, ask: Any) -> Response:
        number = product_id(request)
        if number is None:
            return bad_id()
        answer: Answer = await ask(request, number)
        return JSONResponse(answer.body, status_code=answer.status)

    async def _details(self, request: Request, number: int) -> Answer:
        return await self._ask("details", "details", request, number)

    async def _reviews(self, request: Request, number: int) -> Answer:
        """Asks twice, 3 s each, as the original does: it gives up before reviews v2 gives up on ratings."""
        answer = await self._ask("reviews", "reviews", request, number)
        return answer if answer.ok else await self._ask("reviews", "reviews", request, number)

    async def _ratings(self, request: Request, number: int) -> Answer:
        return await self._ask("ratings", "ratings", request, number)

    async def _ask(self, name: str, what: str, request: Request, number: int) -> Answer:
        return await self._neighbours.get(
            name,
            f"/{name}/{number}",
            travelling(request.headers, user=self._user(request)),
            seconds=SECONDS,
            failure=f"Sorry, product {what} are currently unavailable for this book.",
        )

    def _user(self, request: Request) -> str:
        return self._sessions.read(request.cookies.get(COOKIE, ""))

    def _page(self, template: str, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(version=self._version, **values))


def application(environment: Mapping[str, str]) -> Starlette:
    neighbours = Neighbours(environment)
    page = ProductPage(environment.get("VERSION", "v1"), neighbours)
    routes = [
        Route("/", page.front),
        Route("/index.html", page.front),
        Route("/productpage", page.page),
        Route("/login", page.login, methods=["POST"]),
        Route("/logout", page.logout),
        Route("/api/v1/products", page.products),
        Route("/api/v1/products/{product}", page.product),
        Route("/api/v1/products/{product}/reviews", page.product_reviews),
        Route("/api/v1/products/{product}/ratings", page.product_ratings),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    return assemble("productpage", environment, routes, neighbours)
