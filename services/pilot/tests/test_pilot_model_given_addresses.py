"""Addresses that Pilot gives to ServiceEntries without any, and which addresses a proxy's workload calls services by."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_pilot.model.given_addresses import _addresses, _places
from flotilla_pilot.model.snapshot import MeshSettings
from flotilla_pilot.scope.addresses import AddressView
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy
from flotilla_shared.testing.properties import examples


def entry(name: str, host: str, spec: str = "resolution: STATIC", labels: str = "", namespace: str = "default") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}
spec: {{hosts: ["{host}"], {spec}, ports: [{{number: 443, name: tls, protocol: TCP}}]}}
"""


ENDPOINT = "endpoints: [{address: 10.1.0.1}]"
OFF = "networking.istio.io/enable-autoallocate-ip: 'false'"


@pytest.mark.parametrize(
    ("case", "text", "is_given"),
    [
        ("STATIC", entry("a", "a.example", f"resolution: STATIC, {ENDPOINT}"), True),
        ("DNS", entry("a", "a.example", "resolution: DNS"), True),
        ("one name of DNS", entry("a", "a.example", "resolution: DNS_ROUND_ROBIN"), True),
        ("NONE keeps the destination", entry("a", "a.example", "resolution: NONE"), False),
        ("an address is there", entry("a", "a.example", "resolution: STATIC, addresses: [10.9.9.9]"), False),
        ("any host", entry("a", "*.example", "resolution: STATIC"), False),
        ("not wanted", entry("a", "a.example", labels=OFF), False),
        ("wanted", entry("a", "a.example", labels=OFF.replace("false", "true")), True),
    ],
)
def test_what_is_given_an_address(case: str, text: str, is_given: bool) -> None:
    assert bool(Mesh(text).snapshot.given_addresses) == is_given, case


def test_an_address_does_not_depend_on_what_else_there_is() -> None:
    alone = Mesh(entry("b", "b.example")).snapshot.given_addresses
    others = "".join(entry(f"n{number}", f"n{number}.example", namespace="far") for number in range(500))
    among = Mesh(others + entry("b", "b.example")).snapshot.given_addresses
    assert among["default", "b.example"] == alone["default", "b.example"]
    assert len({each.v4 for each in among.values()}) == len(among) == 501


def test_of_two_with_the_same_place_the_older_keeps_it() -> None:
    """The two hosts were found by trying; their hashes agree."""
    first, second = "host-48.example", "host-1241.example"
    assert next(_places(f"default/{first}")) == next(_places(f"default/{second}"))
    found = Mesh(entry("z", first) + entry("a", second)).snapshot.given_addresses
    assert found["default", first] == Mesh(entry("z", first)).snapshot.given_addresses["default", first]
    assert found["default", second] == _addresses(list(zip(range(2), _places(f"default/{second}"), strict=False))[1][1])


@given(st.integers(0, 256 * 254 - 2))
@settings(max_examples=examples(50), deadline=None)
def test_neighbours_have_addresses_of_their_own(place: int) -> None:
    one, other = _addresses(place), _addresses(place + 1)
    assert one.v4 != other.v4
    assert one.v6 != other.v6
    assert not one.v4.endswith(".0")


def captures(*addresses: str, **metadata: str) -> Compiled:
    proxy = make_proxy("c-1", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS=",".join(addresses), **metadata)
    return Mesh(entry("a", "a.example", f"resolution: STATIC, {ENDPOINT}")).compile(proxy)


def test_where_it_is_not_for_all_proxies_ask_for_it() -> None:
    proxy = {"INTERCEPTION_MODE": "REDIRECT", "DNS_CAPTURE": "true", "INSTANCE_IPS": "10.1.0.9"}
    asks = make_proxy("c-1", **proxy, DNS_AUTO_ALLOCATE="true")
    for given_to_all, who, expected in ((False, make_proxy("c-1", **proxy), False), (False, asks, True)):
        mesh = Mesh(entry("a", "a.example"), MeshSettings(gives_addresses=given_to_all))
        assert any(each.startswith("240.240.") for each in mesh.compile(who).listeners) == expected


def test_only_who_can_ask_for_it_has_a_listener_there(validate: Callable[[Compiled], None]) -> None:
    found = Mesh(entry("a", "a.example")).snapshot.given_addresses["default", "a.example"]
    v4, v6 = f"{found.v4}_443", f"{found.v6}_443"
    without, with_v4 = captures("10.1.0.9"), captures("10.1.0.9", DNS_CAPTURE="true")
    with_v6 = captures("fd00::9", DNS_CAPTURE="true")
    assert [each for each in without.listeners if each.endswith("_443")] == ["0.0.0.0_443"]
    assert [each for each in with_v4.listeners if each.endswith("_443")] == [v4]
    assert [each for each in with_v6.listeners if each.endswith("_443")] == [v6]
    assert as_dict(with_v4.listeners[v4])["filter_chains"][0]["filters"][-1]["typed_config"]["cluster"] == (
        "outbound|443||a.example"
    )
    validate(with_v4)
    validate(with_v6)


@pytest.mark.parametrize(
    ("families", "addresses", "expected"),
    [
        ({4}, ("10.0.0.1", "fd00::1"), ("10.0.0.1",)),
        ({6}, ("10.0.0.1", "fd00::1"), ("fd00::1",)),
        ({4, 6}, ("fd00::1", "10.0.0.1"), ("fd00::1",)),
        ({4}, ("fd00::1", "fd00::2"), ("fd00::1", "fd00::2")),
        ({4}, ("fd00::1",), ("fd00::1",)),
        (set(), ("10.0.0.1", "fd00::1"), ("10.0.0.1", "fd00::1")),
        ({4}, (), ()),
    ],
)
def test_services_are_called_by_addresses_of_the_callers_family(
    families: set[int], addresses: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert AddressView(frozenset(families)).choose(addresses) == expected
