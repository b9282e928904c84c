"""Gateways that a VirtualService names (rule P19 of Istio's validation)."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report


def gateway_names(report: Report, names: Iterable[str]) -> None:
    """`report` stands at what has the field `gateways`."""
    for where, name in report.each("gateways", names):
        where.wrong(gateway_name(name))
        namespace = name.split(".")[1] if "." in name and "/" not in name else ""
        if namespace:
            short = f"{namespace}/{name.split('.')[0]}"
            where.warn(f"{name!r} is a host name, as gateways were once named; write namespace/name: {short}")


def gateway_name(name: str) -> str:
    """What is wrong with a name, or ""."""
    namespace, slash, short = name.partition("/")
    if not slash:
        return checks.fqdn(name)
    return checks.dns_label(namespace) if namespace != "." and checks.dns_label(namespace) else checks.dns_label(short)
