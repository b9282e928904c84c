"""productpage: the page, the login, and what travels on to the others."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flotilla_bookinfo.neighbours import TRAVELLING, travelling
from flotilla_bookinfo.session import Sessions


class Listener:
    """Stands in for details and reviews and keeps the headers that it got."""

    def __init__(self, status: int = 200) -> None:
        self.seen: list[dict[str, str]] = []
        self._status = status
        self.app = Starlette(routes=[Route("/{anything:path}", self.answer)])

    async def answer(self, request: Request) -> Response:
        self.seen.append(dict(request.headers))
        return JSONResponse({"podname": "listener", "reviews": []}, status_code=self._status)


@pytest.fixture
async def page(bookinfo):
    """The whole of Bookinfo with reviews v3."""
    ratings = await bookinfo("ratings")
    reviews = await bookinfo("reviews", VERSION="v3", ratings=ratings)
    return await bookinfo("productpage", details=await bookinfo("details"), reviews=reviews, ratings=ratings)


async def test_the_page_shows_all_three_others(page, client):
    text = (await client.get(page + "/productpage")).text
    for piece in (
        "The Comedy of Errors",
        "PublisherA",
        "slapstick humour",
        'class="stars red"',
        "reviews-v3",
    ):
        assert piece in text
    assert "Error" not in text.replace("Comedy of Errors", "").replace("Comedy_of_Errors", "")


async def test_the_front_page_leads_to_the_product(page, client):
    for path in ("/", "/index.html"):
        assert '<a href="/productpage">' in (await client.get(page + path)).text
    assert (await client.get(page + "/static/bookinfo.css")).headers["content-type"].startswith("text/css")


async def test_the_same_as_json(page, client):
    products = (await client.get(page + "/api/v1/products")).json()
    assert [(product["id"], product["title"]) for product in products] == [(0, "The Comedy of Errors")]
    assert (await client.get(page + "/api/v1/products/0")).json()["publisher"] == "PublisherA"
    assert (await client.get(page + "/api/v1/products/0/reviews")).json()["podname"] == "reviews-v3"
    assert (await client.get(page + "/api/v1/products/0/ratings")).json()["ratings"]["Reviewer2"] == 4


async def test_the_page_says_what_is_missing(bookinfo, client, nobody):
    url = await bookinfo("productpage", details=nobody, reviews=nobody, ratings=nobody)
    answer = await client.get(url + "/productpage")
    assert answer.status_code == 200
    assert "Error fetching product details!" in answer.text
    assert "Sorry, product reviews are currently unavailable for this book." in answer.text
    api = await client.get(url + "/api/v1/products/0")
    assert (api.status_code, api.json()) == (
        500,
        {"error": "Sorry, product details are currently unavailable for this book."},
    )


async def test_reviews_are_asked_twice_and_their_status_is_passed_on(bookinfo, serve, client):
    reviews = Listener(status=503)
    url = await bookinfo("productpage", reviews=await serve(reviews.app))
    answer = await client.get(url + "/api/v1/products/0/reviews")
    assert (answer.status_code, len(reviews.seen)) == (503, 2)


async def test_who_logs_in_is_named_to_the_others_until_he_logs_out(bookinfo, serve, client, nobody):
    reviews = Listener()
    url = await bookinfo("productpage", reviews=await serve(reviews.app), details=nobody)
    login = await client.post(url + "/login", data={"username": "jason", "passwd": "any"})
    assert (login.status_code, login.headers["location"]) == (302, "/productpage")
    assert "jason" in (await client.get(url + "/productpage")).text
    assert reviews.seen[-1]["end-user"] == "jason"
    await client.get(url + "/logout")
    assert "Sign in" in (await client.get(url + "/productpage")).text
    assert "end-user" not in reviews.seen[-1]


async def test_tracing_headers_travel_and_others_do_not(bookinfo, serve, client):
    ratings = Listener()
    url = await bookinfo("reviews", VERSION="v2", ratings=await serve(ratings.app))
    sent = {name: f"value-{name}" for name in TRAVELLING if name != "cookie"}
    await client.get(url + "/reviews/0", headers={**sent, "x-forwarded-client-cert": "URI=spiffe://x"})
    assert {name: ratings.seen[0].get(name) for name in sent} == sent
    assert "x-forwarded-client-cert" not in ratings.seen[0]


def test_a_login_beats_a_claim():
    assert travelling({"end-user": "root", "x-other": "1"}, user="jason") == {"end-user": "jason"}
    assert travelling({"end-user": "root"}) == {"end-user": "root"}


@pytest.mark.parametrize("cookie", ["", "jason", "jason.", "amFzb24.00", ".", "é.é"])
def test_a_cookie_of_ones_own_making_is_nobody(cookie):
    assert Sessions(b"key").read(cookie) == ""


def test_a_signed_cookie_is_read_by_the_same_key_only():
    cookie = Sessions(b"key").write("Jäson & co")
    assert Sessions(b"key").read(cookie) == "Jäson & co"
    assert Sessions(b"other").read(cookie) == ""


async def test_each_request_is_one_line_with_its_caller(bookinfo, client, capsys):
    url = await bookinfo("details")
    certificate = (
        'By=spiffe://cluster.local/ns/default/sa/bookinfo-details;Hash=51fa;Subject="";'
        "URI=spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
    )
    await client.get(
        url + "/details/0",
        headers={"x-forwarded-client-cert": certificate, "x-request-id": "r-1", "end-user": "jason"},
    )
    await client.get(url + "/health")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == ["/details/0"]
    assert lines[0] | {"milliseconds": 0} == {
        "service": "details",
        "version": "v1",
        "method": "GET",
        "path": "/details/0",
        "status": 200,
        "milliseconds": 0,
        "caller": "spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
        "user": "jason",
        "request_id": "r-1",
        "peer": "127.0.0.1",
        "forwarded_client_cert": certificate,
    }
