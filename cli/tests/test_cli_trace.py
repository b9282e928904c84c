"""A change's hops, joined by version, in order; and what is said of an incomplete one."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout

import pytest

from flotilla_cli.commands.trace_change import show, verdict
from flotilla_cli.errors import Refused
from flotilla_cli.hops import collection
from flotilla_cli.trace import Trace, join, parse_name

NAME = "VirtualService/default/reviews"
START = 1_700_000_000_000_000_000


def hop(at: float, name: str, version: str = "bbb", proxy: str = "", detail: str = "") -> dict[str, object]:
    """A recorded hop, `at` milliseconds after the start."""
    return {
        "hop": name,
        "service": name.partition(".")[0],
        "collection": "istio/networking/v1alpha3/virtualservices",
        "namespace": "default",
        "name": "reviews",
        "version": version,
        "proxy": proxy,
        "detail": detail,
        "at_ns": START + int(at * 1e6),
    }


WAY = [
    hop(0, "galley.read", detail="reviews-route.yaml:1"),
    hop(4, "galley.published"),
    hop(5, "galley.sent", proxy=""),
    hop(7, "pilot.received"),
    hop(8, "galley.acked"),
    hop(12, "pilot.compiled"),
    hop(14, "pilot.sent", proxy="productpage-v1.default"),
    hop(15, "pilot.sent", proxy="ingressgateway.default"),
    hop(19, "pilot.acked", proxy="ingressgateway.default"),
    hop(21, "pilot.acked", proxy="productpage-v1.default"),
]
BEFORE = [hop(-1000, "galley.read", "aaa"), hop(-990, "galley.published", "aaa")]


def test_the_newest_version_is_joined_over_both_services_in_order():
    services = [
        *BEFORE,
        *[h for h in WAY if h["service"] == "pilot"],
        *[h for h in WAY if h["service"] == "galley"],
    ]
    trace = join(NAME, services)
    assert (trace.version, trace.versions) == ("bbb", ("aaa", "bbb"))
    assert [h.hop for h in trace.hops] == [h["hop"] for h in WAY]
    assert trace.complete
    assert trace.in_order
    assert verdict(trace) == "Complete: acknowledged by 2 proxies."


def test_a_version_can_be_chosen():
    trace = join(NAME, BEFORE + WAY, "aaa")
    assert [h.hop for h in trace.hops] == ["galley.read", "galley.published"]
    assert verdict(trace) == "Not complete: galley.sent is missing."


def test_an_old_version_that_came_back_is_the_newest():
    """The version is a hash of the content: undoing a change brings the old one again."""
    assert join(NAME, [*BEFORE, *WAY, hop(500, "galley.read", "aaa")]).version == "aaa"


@pytest.mark.parametrize(
    ("hops", "said"),
    [
        (WAY[:5], "Not complete: pilot.compiled is missing."),
        (WAY[:-1], "Not complete: productpage-v1.default has not answered yet."),
        (WAY[:6], "Complete: acknowledged by 0 proxies."),
        (WAY[:9], "Not complete: productpage-v1.default has not answered yet."),
        (
            [*WAY[:9], hop(30, "pilot.rejected", proxy="productpage-v1.default", detail="no such cluster")],
            "Refused by productpage-v1.default: no such cluster",
        ),
        ([h for h in WAY if h["service"] == "pilot"], "Not complete: galley.read is missing."),
    ],
)
def test_what_is_missing_is_said(hops, said):
    assert verdict(join(NAME, hops)) == said


@pytest.mark.parametrize(
    "hops",
    [
        [*WAY[:5], hop(3, "pilot.compiled"), *WAY[6:]],
        [*WAY, hop(13, "pilot.acked", proxy="late.default"), hop(14, "pilot.sent", proxy="late.default")],
        [*WAY, hop(13, "pilot.acked", proxy="never-asked.default")],
        [hop(100, "galley.read"), *WAY[1:]],
    ],
)
def test_hops_out_of_order_are_noticed(hops):
    assert not join(NAME, hops).in_order


def test_galleys_ack_may_come_while_pilot_compiles():
    assert join(NAME, [h for h in WAY if h["hop"] != "galley.acked"] + [hop(13, "galley.acked")]).in_order


def test_an_object_that_never_passed_is_refused():
    with pytest.raises(Refused, match="has not passed through the mesh"):
        join(NAME, [])
    with pytest.raises(Refused, match=r"Version ccc of .* Known versions: aaa, bbb"):
        join(NAME, BEFORE + WAY, "ccc")


@pytest.mark.parametrize("name", ["reviews", "VirtualService/reviews", "VirtualService//reviews", "a/b/c/d", ""])
def test_a_name_has_three_parts(name):
    with pytest.raises(Refused, match="VirtualService/default/reviews"):
        parse_name(name)


@pytest.mark.parametrize("kind", ["VirtualService", "virtualservice", "VIRTUALSERVICE"])
def test_a_kind_leads_to_its_collection(kind):
    assert parse_name(f"{kind}/default/x")[0] == kind
    assert collection(kind) == "istio/networking/v1alpha3/virtualservices"


def test_an_unknown_kind_is_refused():
    with pytest.raises(Refused, match="There is no kind Deployment"):
        collection("Deployment")


def test_as_json():
    answer = json.loads(json.dumps(join(NAME, BEFORE + WAY).as_json()))
    assert (answer["object"], answer["version"], answer["complete"], answer["in_order"]) == (
        NAME,
        "bbb",
        True,
        True,
    )
    assert answer["hops"][0]["hop"] == "galley.read"
    assert answer["hops"][-1]["proxy"] == "productpage-v1.default"


def test_as_a_table():
    text = printed(join(NAME, WAY))
    rows = [line.split() for line in text.splitlines()]
    assert ["0.0", "galley.read", "reviews-route.yaml:1"] in rows
    assert ["21.0", "pilot.acked", "productpage-v1.default"] in rows
    assert rows[-1] == ["Complete:", "acknowledged", "by", "2", "proxies."]


def printed(trace: Trace) -> str:
    with redirect_stdout(io.StringIO()) as output:
        show(trace)
    return output.getvalue()


MIXERS_WAY = [
    hop(0, "galley.read"),
    hop(4, "galley.published"),
    hop(5, "galley.sent"),
    hop(6, "mixer.received"),
    hop(7, "galley.acked"),
    hop(30, "mixer.applied"),
]


def test_a_rule_goes_to_mixer_and_to_no_proxy():
    trace = join("rule/default/deny", MIXERS_WAY)
    assert trace.complete
    assert trace.in_order
    assert verdict(trace) == "Complete: Mixer works by it."


@pytest.mark.parametrize("lost", ["mixer.received", "mixer.applied", "galley.acked"])
def test_a_rule_that_mixer_has_not_applied_is_not_complete(lost):
    trace = join("rule/default/deny", [each for each in MIXERS_WAY if each["hop"] != lost])
    assert trace.missing == [lost]
    assert verdict(trace) == f"Not complete: {lost} is missing."


def test_mixer_and_pilot_do_not_wait_for_one_another():
    """A ServiceEntry goes to both; whichever is first, the trace is in order."""
    for at in (5.5, 50):
        trace = join(NAME, [*WAY, hop(at, "mixer.received"), hop(at + 1, "mixer.applied")])
        assert trace.complete
        assert trace.in_order
