"""details: what is printed on a book's first page."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flotilla_bookinfo.service import assemble, bad_id, product_id


async def book(request: Request) -> Response:
    number = product_id(request)
    if number is None:
        return bad_id()
    return JSONResponse(
        {
            "id": number,
            "author": "William Shakespeare",
            "year": 1595,
            "type": "paperback",
            "pages": 200,
            "publisher": "PublisherA",
            "language": "English",
            "ISBN-10": "1234567890",
            "ISBN-13": "123-1234567890",
        }
    )


def application(environment: Mapping[str, str]) -> Starlette:
    return assemble("details", environment, [Route("/details/{product}", book)])
