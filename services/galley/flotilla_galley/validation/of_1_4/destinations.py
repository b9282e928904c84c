"""Destinations and their weights (rules HR10 and HR11, and P20)."""

from __future__ import annotations

from collections.abc import Sequence

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.destinations import check_destination
from flotilla_galley.validation.of_1_4.primitives import percent
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    Destination,
    HTTPRouteDestination,
    RouteDestination,
)

ALL = 100
Target = HTTPRouteDestination | RouteDestination


def check_targets(routes: Sequence[Target], report: Report) -> None:
    """`report` stands at the route."""
    for where, target in report.each("route", routes):
        destination(target.destination if target.HasField("destination") else None, where.at("destination"))
        where.at("weight").wrong(percent(target.weight), "bad-weight")
    total = sum(target.weight for target in routes)
    if len(routes) > 1 and total != ALL:
        report.at("route").wrong(f"the weights add up to {total}; they must add up to {ALL}", "bad-weight")


def destination(found: Destination | None, report: Report) -> None:
    check_destination(found, report, zero_is_none=True)
