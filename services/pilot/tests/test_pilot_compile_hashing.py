"""Consistent hashing: each way to choose what is hashed, as it stands on a route."""

from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_pilot.compile.hashing import connection_hash, request_hash
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import LoadBalancerSettings


def settings(**fields: Any) -> Any:
    return json_format.ParseDict(fields, LoadBalancerSettings.ConsistentHashLB())


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ({"httpHeaderName": "x-user"}, {"header": {"headerName": "x-user"}}),
        ({"httpHeaderName": ""}, None),
        (
            {"httpCookie": {"name": "c", "path": "/p", "ttl": "5s"}},
            {"cookie": {"name": "c", "path": "/p", "ttl": "5s"}},
        ),
        ({"httpCookie": {"name": "c"}}, {"cookie": {"name": "c"}}),
        ({"httpCookie": {"path": "/p"}}, None),
        ({"useSourceIp": True}, {"connectionProperties": {"sourceIp": True}}),
        ({"useSourceIp": False}, None),
        ({"httpQueryParameterName": "user"}, {"queryParameter": {"name": "user"}}),
        ({"httpQueryParameterName": ""}, None),
        ({}, None),
        ({"httpHeaderName": "a\nb"}, None),
    ],
)
def test_what_of_a_request_is_hashed(stated: dict[str, Any], wanted: Any) -> None:
    found = request_hash(settings(**stated))
    assert (None if found is None else json_format.MessageToDict(found)) == wanted


def test_a_connection_has_nothing_but_its_source() -> None:
    assert [each.HasField("source_ip") for each in connection_hash(settings(useSourceIp=True))] == [True]
    assert connection_hash(settings(httpQueryParameterName="user")) == []
    assert connection_hash(None) == []
