"""WorkloadEntry (rule WE1 of Istio's validation)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.workload_entry_pb2 import WorkloadEntry

UNIX = "unix://"


def validate(spec: WorkloadEntry, report: Report, namespace: str) -> None:
    where = report.at("address")
    if not spec.address:
        if spec.network:
            where.warn("without it the workload is reached through its network's gateway only")
        else:
            where.wrong("it is missing; say where the workload is reached")
    elif spec.address.startswith(UNIX):
        where.wrong(checks.unix(spec.address.removeprefix(UNIX)))
        if spec.ports:
            report.at("ports").wrong("a workload on a Unix socket has no ports")
    else:
        check_address(spec.address, where)
    check_ports(spec.ports, report.at("ports"))
    checks.labels(report.at("labels"), spec.labels)


def check_address(address: str, report: Report) -> None:
    """An IP address or a host name without star"""
    if checks.ip(address) and checks.fqdn(address):
        report.wrong(f"{address!r} is neither an IP address nor a host name")


def check_ports(ports: Mapping[str, int], report: Report, known: set[str] | None = None) -> None:
    """Ports by name; `known` are the names that the service has."""
    for name, number in sorted(ports.items()):
        where = report.at("", name)
        where.wrong(checks.dns_label(name))
        where.wrong(checks.port(number))
    if known is not None:
        check_port_names(ports, report, known)


def check_port_names(ports: Iterable[str], report: Report, known: set[str]) -> None:
    """`known` are the names that the service has."""
    for name in sorted(ports):
        if name not in known:
            report.at("", name).wrong(
                f"the service has no port named {name!r}; it has {', '.join(sorted(known)) or 'none'}"
            )
