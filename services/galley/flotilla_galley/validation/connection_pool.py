"""Limits and times of connections (rules DR7 and DR8 of Istio's validation)."""

from __future__ import annotations

from typing import Any

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ConnectionPoolSettings

HTTP_LIMITS = (
    ("http1MaxPendingRequests", "http1_max_pending_requests"),
    ("http2MaxRequests", "http2_max_requests"),
    ("maxRequestsPerConnection", "max_requests_per_connection"),
    ("maxRetries", "max_retries"),
    ("maxConcurrentStreams", "max_concurrent_streams"),
)


def connection_pool(pool: ConnectionPoolSettings, report: Report, *, keepalive: bool = True) -> None:
    """`keepalive`: whether the times of tcpKeepalive are looked at."""
    if not (pool.HasField("http") or pool.HasField("tcp")):
        report.wrong("it has neither http nor tcp")
    _http(pool.http, report.at("http"))
    _tcp(pool.tcp, report.at("tcp"))
    if keepalive:
        for name in ("time", "interval"):
            _time(pool.tcp.tcp_keepalive, name, name, report.at("tcp").at("tcpKeepalive"))


def _http(http: ConnectionPoolSettings.HTTPSettings, report: Report) -> None:
    for field, name in HTTP_LIMITS:
        if getattr(http, name) < 0:
            report.at(field).wrong(f"{getattr(http, name)} is below 0")
    _time(http, "idleTimeout", "idle_timeout", report)
    if http.h2_upgrade_policy == ConnectionPoolSettings.HTTPSettings.UPGRADE and http.use_client_protocol:
        report.at("useClientProtocol").wrong("it excludes h2UpgradePolicy UPGRADE; keep one of them", "conflict")
    if http.HasField("http2_keep_alive"):
        where = report.at("http2KeepAlive")
        for name in ("interval", "timeout"):
            if not http.http2_keep_alive.HasField(name):
                where.at(name).wrong("it is missing, such as 10s")
            _time(http.http2_keep_alive, name, name, where)


def _tcp(tcp: ConnectionPoolSettings.TCPSettings, report: Report) -> None:
    if tcp.max_connections < 0:
        report.at("maxConnections").wrong(f"{tcp.max_connections} is below 0")
    _time(tcp, "connectTimeout", "connect_timeout", report)
    _time(tcp, "maxConnectionDuration", "max_connection_duration", report)
    _time(tcp, "idleTimeout", "idle_timeout", report, never=True)


def _time(holder: Any, field: str, name: str, report: Report, *, never: bool = False) -> None:
    """P7, where it is set; `never`: 0 switches the limit off."""
    if holder.HasField(name):
        value = getattr(holder, name)
        if not (never and not value.seconds and not value.nanos):
            report.check(checks.duration, field, value)
