"""When a request is tried again (rules HR15 and HR16 of Istio's validation)."""

from __future__ import annotations

from http import HTTPStatus

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRetry

RETRY_ON = frozenset(
    (
        "5xx",
        "gateway-error",
        "reset",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
        "reset-before-request",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
    )
)
STATUSES = frozenset(str(status.value) for status in HTTPStatus)


def check_retries(retries: HTTPRetry, report: Report, words: frozenset[str] = RETRY_ON) -> None:
    """`words` are the conditions that there are, beside statuses of HTTP."""
    if retries.attempts < 0:
        report.at("attempts").wrong(f"{retries.attempts} is below 0")
    if retries.attempts == 0 and (
        retries.HasField("per_try_timeout")
        or retries.HasField("backoff")
        or retries.HasField("retry_remote_localities")
        or retries.retry_on
    ):
        report.at("attempts").wrong("it is 0, which switches retries off, while other fields of retries are set")
    if retries.HasField("per_try_timeout"):
        report.check(checks.duration, "perTryTimeout", retries.per_try_timeout)
    if retries.HasField("backoff"):
        report.check(checks.duration, "backoff", retries.backoff)
    for word in retries.retry_on.split(",") if retries.retry_on else ():
        if word not in words and word not in STATUSES:
            report.at("retryOn").wrong(f"{word!r} is no condition to retry on (no spaces after the commas)")
