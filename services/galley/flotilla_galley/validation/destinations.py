"""Destinations and their weights, in every kind of route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Destination


class _Weighted(Protocol):
    @property
    def weight(self) -> int: ...


def check_destination(destination: Destination | None, report: Report, *, zero_is_none: bool = False) -> None:
    """HR11 and P20; `zero_is_none`: port number 0 is taken for no port, as 1.4 did."""
    if destination is None:
        report.wrong("it is missing; name a host", "no-destination")
        return
    if not destination.host:
        report.at("host").wrong("it is missing; name the host of a service", "no-destination")
    elif destination.host == "*":
        report.at("host").wrong("'*' is no destination; name one host")
    else:
        report.check(checks.wildcard_domain, "host", destination.host)
    if destination.subset:
        report.check(checks.dns_label, "subset", destination.subset)
    if destination.HasField("port") and (destination.port.number or not zero_is_none):
        report.at("port").check(checks.port, "number", destination.port.number)


def check_weights(routes: Sequence[_Weighted], report: Report) -> None:
    """HR10 of today: none below zero, and something in all."""
    for where, route in report.each("route", routes):
        if route.weight < 0:
            where.at("weight").wrong(f"{route.weight} is below 0", "bad-weight")
    if len(routes) > 1 and sum(route.weight for route in routes) == 0:
        report.at("route").wrong(
            "the weights of several destinations add up to 0; give at least one a weight", "bad-weight"
        )
