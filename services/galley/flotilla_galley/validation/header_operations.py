"""Headers that a route sets, adds and removes (rules HR5 and HR6 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.header_values import header_value
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Headers


def check_headers(headers: Headers, report: Report) -> None:
    """HR5: a request's authority may be set, no other pseudo header, and no Host anywhere else."""
    for side, operations in (("request", headers.request), ("response", headers.response)):
        where = report.at(side)
        for field, values in (("set", operations.set), ("add", operations.add)):
            for name, value in values.items():
                where.at(field, name).wrong(header_value(value))
        for field, names in (("set", operations.set), ("add", operations.add), ("remove", operations.remove)):
            for name in names:
                authority = name.lower() in (":authority", "host")
                if authority and side == "request" and field != "remove":
                    continue
                place = where.at(field) if field == "remove" else where.at(field, name)
                place.wrong(f"{name!r} cannot be changed here" if authority else checks.header_name(name))


def set_authority(headers: Headers) -> str:
    """The name by which a request's authority is set or added, or ""."""
    names = (*headers.request.set, *headers.request.add)
    return next((name for name in names if name.lower() in (":authority", "host")), "")


def check_authority(headers: Headers, before: str, report: Report) -> None:
    """HR6: a request has one authority. `before` is what sets it elsewhere."""
    names = [name for name in (*headers.request.set, *headers.request.add) if name.lower() in (":authority", "host")]
    if len(names) + bool(before) > 1:
        report.at("request").wrong("the authority is set more than once; set it in one place", "conflict")
