"""Each field of a match, as Envoy gets it."""

from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile.matching import MatchRefused, any_request, route_match
from flotilla_pilot.testing.meshes import as_dict
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPMatchRequest


def translated(**match: Any) -> dict[str, Any]:
    return as_dict(route_match(json_format.ParseDict(match, HTTPMatchRequest())))


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (None, {"prefix": "/"}),
        ({}, {"prefix": "/"}),
        ({"exact": "/a"}, {"path": "/a"}),
        ({"prefix": "/a"}, {"prefix": "/a"}),
        ({"prefix": ""}, {"prefix": "/"}),
        ({"regex": "/a.*"}, {"safe_regex": {"regex": "/a.*"}}),
    ],
)
def test_paths(uri: dict[str, str] | None, expected: dict[str, Any]) -> None:
    assert translated(**({"uri": uri} if uri is not None else {})) == {**expected, "case_sensitive": True}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ({"exact": "/a"}, {"path": "/a", "case_sensitive": False}),
        ({"prefix": "/a"}, {"prefix": "/a", "case_sensitive": False}),
        ({"regex": "/a"}, {"safe_regex": {"regex": "/a"}, "case_sensitive": False}),
    ],
)
def test_case_may_be_ignored_which_patterns_do_not_heed(uri: dict[str, str], expected: dict[str, Any]) -> None:
    assert translated(uri=uri, ignoreUriCase=True) == expected


STRINGS: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"exact": "x"}, {"string_match": {"exact": "x"}}),
    ({"prefix": "x"}, {"string_match": {"prefix": "x"}}),
    ({"regex": "x+"}, {"string_match": {"safe_regex": {"regex": "x+"}}}),
    ({}, {"present_match": True}),
    ({"exact": ""}, {"string_match": {"exact": ""}}),
    ({"prefix": ""}, {"present_match": True}),
    ({"regex": ".*"}, {"string_match": {"safe_regex": {"regex": ".*"}}}),
    ({"regex": "*"}, {"present_match": True}),
]


@pytest.mark.parametrize(("stated", "expected"), STRINGS)
def test_headers(stated: dict[str, str], expected: dict[str, Any]) -> None:
    assert translated(headers={"x-a": stated})["headers"] == [{"name": "x-a", **expected}]


@pytest.mark.parametrize("field", ["scheme", "method", "authority"])
@pytest.mark.parametrize(("stated", "expected"), STRINGS)
def test_what_http2_has_as_headers(field: str, stated: dict[str, str], expected: dict[str, Any]) -> None:
    assert translated(**{field: stated})["headers"] == [{"name": f":{field}", **expected}]


@pytest.mark.parametrize(("stated", "expected"), STRINGS)
def test_query_parameters(stated: dict[str, str], expected: dict[str, Any]) -> None:
    assert translated(queryParams={"q": stated})["query_parameters"] == [{"name": "q", **expected}]


@pytest.mark.parametrize(("stated", "expected"), STRINGS)
def test_headers_that_must_not_be(stated: dict[str, str], expected: dict[str, Any]) -> None:
    """A header that is missing differs from any value, so it must be compared as if it were empty."""
    if stated.get("regex") == ".*":
        expected = {"present_match": True}
    missing = {} if "present_match" in expected else {"treat_missing_header_as_empty": True}
    assert translated(withoutHeaders={"x-a": stated})["headers"] == [
        {"name": "x-a", "invert_match": True, **expected, **missing}
    ]


def test_headers_are_in_one_order_whatever_the_order_they_came_in() -> None:
    names = ["z", "a", "m"]
    one = translated(headers={name: {"exact": name} for name in names}, method={"exact": "GET"})
    other = translated(method={"exact": "GET"}, headers={name: {"exact": name} for name in reversed(names)})
    assert one == other
    assert [each["name"] for each in one["headers"]] == [":method", "a", "m", "z"]


@pytest.mark.parametrize(
    ("match", "field"),
    [
        ({"uri": {"regex": "("}}, "uri.regex"),
        ({"method": {"regex": "("}}, "method.regex"),
        ({"headers": {"x": {"regex": "("}}}, "headers[x].regex"),
        ({"withoutHeaders": {"x": {"regex": "("}}}, "withoutHeaders[x].regex"),
        ({"queryParams": {"x": {"regex": "("}}}, "queryParams[x].regex"),
        ({"headers": {"@request.auth.claims": {"exact": "x"}}}, "headers[@request.auth.claims]"),
        ({"withoutHeaders": {"@request.auth.claims[a": {"exact": "x"}}}, "withoutHeaders[@request.auth.claims[a]"),
        ({"headers": {"@request.auth.claims.a": {"regex": "("}}}, "headers[@request.auth.claims.a].regex"),
    ],
)
def test_what_cannot_be_matched_names_its_field(match: dict[str, Any], field: str) -> None:
    with pytest.raises(MatchRefused) as refused:
        translated(**match)
    assert refused.value.field == field


def test_any_request_is_every_path() -> None:
    assert as_dict(any_request()) == {"prefix": "/"}


@pytest.mark.parametrize("stated", [{"port": 80}, {"sourceLabels": {"a": "b"}}, {"gateways": ["g"]}, {"name": "n"}])
def test_what_is_about_the_client_never_reaches_envoy(stated: dict[str, Any]) -> None:
    assert translated(**stated) == {"prefix": "/", "case_sensitive": True}
