"""The API of details, ratings and reviews, over real HTTP."""

from __future__ import annotations

import pytest

REVIEWER = "Reviewer1"


@pytest.mark.parametrize("service", ["productpage", "details", "reviews", "ratings"])
async def test_health(bookinfo, client, service):
    answer = await client.get(await bookinfo(service) + "/health")
    assert answer.json() == {"status": f"{service.capitalize()} is healthy"}


async def test_details_have_the_originals_fields(bookinfo, client):
    answer = await client.get(await bookinfo("details") + "/details/0")
    assert answer.json() == {
        "id": 0,
        "author": "William Shakespeare",
        "year": 1595,
        "type": "paperback",
        "pages": 200,
        "publisher": "PublisherA",
        "language": "English",
        "ISBN-10": "1234567890",
        "ISBN-13": "123-1234567890",
    }


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("details", "/details/x"),
        ("ratings", "/ratings/-1"),
        ("reviews", "/reviews/1.5"),
        ("productpage", "/api/v1/products/x"),
        ("productpage", "/api/v1/products/x/reviews"),
        ("productpage", "/api/v1/products/²/ratings"),
    ],
)
async def test_a_product_id_that_is_no_number_is_the_callers_fault(bookinfo, client, service, path):
    answer = await client.get(await bookinfo(service) + path)
    assert answer.status_code == 400
    assert answer.json() == {"error": "please provide numeric product id"}


async def test_ratings_can_be_changed(bookinfo, client):
    url = await bookinfo("ratings")
    assert (await client.get(url + "/ratings/3")).json() == {
        "id": 3,
        "ratings": {"Reviewer1": 5, "Reviewer2": 4},
    }
    changed = await client.post(url + "/ratings/3", json={"Reviewer1": 1})
    assert changed.json() == {"id": 3, "ratings": {"Reviewer1": 1}}
    assert (await client.get(url + "/ratings/3")).json()["ratings"] == {"Reviewer1": 1}
    assert (await client.get(url + "/ratings/4")).json()["ratings"]["Reviewer1"] == 5


@pytest.mark.parametrize("body", ["{", "[]", '{"Reviewer1": "five"}'])
async def test_ratings_refuse_what_is_no_rating(bookinfo, client, body):
    answer = await client.post(await bookinfo("ratings") + "/ratings/0", content=body)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("version", "rating"),
    [("v1", None), ("v2", {"stars": 5, "color": "black"}), ("v3", {"stars": 5, "color": "red"})],
)
async def test_the_version_of_reviews_decides_about_the_stars(bookinfo, client, version, rating):
    ratings = await bookinfo("ratings")
    answer = await client.get(await bookinfo("reviews", VERSION=version, ratings=ratings) + "/reviews/0")
    body = answer.json()
    assert (body["id"], body["podname"]) == ("0", f"reviews-{version}")
    assert body["reviews"][0]["reviewer"] == REVIEWER
    assert body["reviews"][0].get("rating") == rating


async def test_reviews_go_on_without_ratings(bookinfo, client, nobody):
    answer = await client.get(await bookinfo("reviews", VERSION="v2", ratings=nobody) + "/reviews/0")
    assert answer.status_code == 200
    assert answer.json()["reviews"][1]["rating"] == {"error": "Ratings service is currently unavailable"}
