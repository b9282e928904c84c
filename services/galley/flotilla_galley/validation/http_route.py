"""One http route of a VirtualService: what goes together, and each part."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.cors import check_cors
from flotilla_galley.validation.destinations import check_destination, check_weights
from flotilla_galley.validation.faults import check_fault
from flotilla_galley.validation.header_operations import check_authority, check_headers, set_authority
from flotilla_galley.validation.http_match import check_match
from flotilla_galley.validation.redirects import check_redirect, check_rewrite
from flotilla_galley.validation.retries import check_retries
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPDirectResponse, HTTPRoute

ACTIONS = {"route": "route", "redirect": "redirect", "direct_response": "directResponse", "delegate": "delegate"}
MAX_BODY, LARGE_BODY = 1 << 20, 100 << 10


def validate(route: HTTPRoute, report: Report, *, delegate: bool = False) -> None:
    """HR1-HR21. `delegate`: the VirtualService has no hosts, and must not delegate further."""
    _actions(route, report, delegate=delegate)
    for where, match in report.each("match", route.match):
        check_match(match, where)
    for where, target in report.each("route", route.route):
        check_destination(target.destination if target.HasField("destination") else None, where.at("destination"))
        if target.HasField("headers"):
            check_headers(target.headers, where.at("headers"))
            before = route.rewrite.authority or set_authority(route.headers)
            check_authority(target.headers, before, where.at("headers"))
    check_weights(route.route, report)
    if route.HasField("headers"):
        check_headers(route.headers, report.at("headers"))
        check_authority(route.headers, route.rewrite.authority, report.at("headers"))
    if route.HasField("redirect"):
        check_redirect(route.redirect, report.at("redirect"), route.match)
    if route.HasField("rewrite"):
        check_rewrite(route.rewrite, report.at("rewrite"))
    if route.HasField("timeout"):
        report.check(checks.duration, "timeout", route.timeout)
    if route.HasField("retries"):
        check_retries(route.retries, report.at("retries"))
    if route.HasField("fault"):
        check_fault(route.fault, report.at("fault"))
    if route.HasField("cors_policy"):
        check_cors(route.cors_policy, report.at("corsPolicy"))
    _mirrors(route, report)


def _present(route: HTTPRoute, field: str) -> bool:
    return bool(route.route) if field == "route" else route.HasField(field)


def _actions(route: HTTPRoute, report: Report, *, delegate: bool) -> None:
    given = [name for field, name in ACTIONS.items() if _present(route, field)]
    if not given:
        report.wrong("it leads nowhere; give it route, redirect, directResponse or delegate", "no-route")
    if len(given) > 1:
        report.wrong(f"{' and '.join(given)} exclude each other; keep one of them", "conflict")
    if delegate and route.HasField("delegate"):
        report.at("delegate").wrong("a delegate must not delegate again")
    for action in ("redirect", "direct_response"):
        if route.HasField(action):
            for field in ("fault", "rewrite"):
                if route.HasField(field):
                    report.at(field).wrong(f"it has no effect beside {ACTIONS[action]}; remove one of them", "conflict")
    if route.HasField("direct_response"):
        direct_response(route.direct_response, report.at("directResponse"))


def status(number: int) -> str:
    """HR3"""
    return "" if 200 <= number <= 600 else f"{number} is outside of 200 to 600"


def direct_response(answer: HTTPDirectResponse, report: Report) -> None:
    report.check(status, "status", answer.status)
    size = max(len(answer.body.string), len(answer.body.bytes))
    if size > MAX_BODY:
        report.at("body").wrong(f"it has {size} bytes; at most {MAX_BODY} are possible")
    elif size > LARGE_BODY:
        report.at("body").warn(f"it has {size} bytes, which every proxy keeps in memory")


def _mirrors(route: HTTPRoute, report: Report) -> None:
    if route.HasField("mirror"):
        check_destination(route.mirror, report.at("mirror"))
        if route.mirrors:
            report.at("mirrors").wrong("mirror and mirrors exclude each other; keep mirrors", "conflict")
    if route.HasField("mirror_percentage"):
        report.at("mirrorPercentage").check(checks.percent, "value", route.mirror_percentage.value)
    if route.HasField("mirror_percent"):
        report.at("mirrorPercent").warn("it is out of date; write mirrorPercentage")
    if route.HasField("mirror_percent") and route.mirror_percent.value > 100:
        report.at("mirrorPercent").wrong(f"{route.mirror_percent.value} is above 100")
    for where, mirror in report.each("mirrors", route.mirrors):
        check_destination(mirror.destination if mirror.HasField("destination") else None, where.at("destination"))
        where.at("percentage").check(checks.percent, "value", mirror.percentage.value)
