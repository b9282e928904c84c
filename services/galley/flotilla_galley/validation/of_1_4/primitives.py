"""What all kinds' rules are made of, where Istio 1.4's are others than today's. A function says what is wrong, or ""."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_shared.model.protocols import Protocol, parse_protocol


def ip(address: str) -> str:
    """P12, a single address: of IPv4"""
    return checks.ip(address) or _fourth(address, ipaddress.ip_address(address).version)


def cidr(address: str) -> str:
    """P12, an address or a network: of IPv4"""
    return checks.cidr(address) or _fourth(address, ipaddress.ip_network(address, strict=False).version)


def _fourth(address: str, version: int) -> str:
    return "" if version == 4 else f"{address!r} is of IPv6, which Istio 1.4 does not take; write an IPv4 address"


def protocol(word: str, *, empty: bool = True) -> str:
    """P13: HTTP_PROXY came later"""
    if parse_protocol(word) is Protocol.HTTP_PROXY:
        return f"{word!r} is no protocol of Istio 1.4; use HTTP or TCP"
    return checks.protocol(word, empty=empty)


def percent(value: int) -> str:
    """P9, a whole number"""
    return "" if 0 <= value <= 100 else f"{value} is outside of 0 to 100"


def header_name(name: str) -> str:
    """P15"""
    return "" if name else "the header's name is empty"


def header_names(report: Report, names: Sequence[str]) -> None:
    """`report` stands at a list or a mapping of headers."""
    for name in names:
        report.wrong(header_name(name))


def export_to(report: Report, names: Sequence[str]) -> None:
    """P18; `report` stands at what has the field."""
    if len(names) > 1:
        report.at("exportTo").wrong(f"there are {len(names)}; Istio 1.4 takes one, '.' or '*'")
    elif names and names[0] not in (".", "*"):
        report.at("exportTo", 0).wrong(f"{names[0]!r} is not possible in Istio 1.4; write '.' or '*'")
