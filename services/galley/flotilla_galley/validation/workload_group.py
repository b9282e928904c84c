"""WorkloadGroup (rule WG1 of Istio's validation). Its template is no whole WorkloadEntry and is not judged as one."""

from __future__ import annotations

import re

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.workload_group_pb2 import (
    HTTPHealthCheckConfig,
    ReadinessProbe,
    WorkloadGroup,
)

_HEADER = re.compile(r"[-A-Za-z0-9]+\Z")
_NUMBERS = (
    ("initialDelaySeconds", "initial_delay_seconds"),
    ("timeoutSeconds", "timeout_seconds"),
    ("periodSeconds", "period_seconds"),
    ("successThreshold", "success_threshold"),
    ("failureThreshold", "failure_threshold"),
)


def validate(spec: WorkloadGroup, report: Report, namespace: str) -> None:
    if not spec.HasField("template"):
        report.at("template").wrong("it is missing; say what the group's workloads have in common")
    checks.labels(report.at("metadata").at("labels"), spec.metadata.labels)
    if spec.HasField("probe"):
        _probe(spec.probe, report.at("probe"))


def _probe(probe: ReadinessProbe, report: Report) -> None:
    for field, name in _NUMBERS:
        if getattr(probe, name) < 0:
            report.at(field).wrong(f"{getattr(probe, name)} is negative; it must be 0 or more")
    method = probe.WhichOneof("health_check_method")
    if method is None:
        report.wrong("it asks nothing; say httpGet, tcpSocket, exec or grpc")
    elif method == "http_get":
        _http(probe.http_get, report.at("httpGet"))
    elif method == "exec":
        if not probe.exec.command:
            report.at("exec").at("command").wrong("it is missing; name the program to run")
    else:
        field = "tcpSocket" if method == "tcp_socket" else "grpc"
        report.at(field).check(checks.port, "port", getattr(probe, method).port)


def _http(probe: HTTPHealthCheckConfig, report: Report) -> None:
    report.check(checks.port, "port", probe.port)
    if probe.scheme not in ("", "HTTP", "HTTPS"):
        report.at("scheme").wrong(f"{probe.scheme!r} is neither HTTP nor HTTPS")
    for where, header in report.each("httpHeaders", probe.http_headers):
        if not _HEADER.match(header.name):
            where.at("name").wrong(f"{header.name!r} is no header name; letters, digits and dashes")
