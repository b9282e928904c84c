"""Faults that are put into calls (rules HR17 and HR18 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPFaultInjection

GRPC_STATUSES = frozenset(
    (
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    )
)


def check_fault(fault: HTTPFaultInjection, report: Report) -> None:
    if not (fault.HasField("abort") or fault.HasField("delay")):
        report.wrong("it has neither delay nor abort")
    if fault.HasField("abort"):
        check_abort(fault.abort, report.at("abort"))
    if fault.HasField("delay"):
        check_delay(fault.delay, report.at("delay"))


def check_abort(abort: HTTPFaultInjection.Abort, report: Report) -> None:
    report.at("percentage").check(checks.percent, "value", abort.percentage.value)
    kind = abort.WhichOneof("error_type")
    if kind == "http_status" and not 200 <= abort.http_status <= 600:
        report.at("httpStatus").wrong(f"{abort.http_status} is outside of 200 to 599")
    if kind == "http2_error":
        report.at("http2Error").wrong("it is not supported; use httpStatus or grpcStatus")
    if kind == "grpc_status" and abort.grpc_status not in GRPC_STATUSES:
        report.at("grpcStatus").wrong(f"{abort.grpc_status!r} is no status of gRPC, such as UNAVAILABLE")
    if kind is None:
        report.warn("it names no error; give it httpStatus or grpcStatus")


def check_delay(delay: HTTPFaultInjection.Delay, report: Report) -> None:
    report.at("percentage").check(checks.percent, "value", delay.percentage.value)
    kind = delay.WhichOneof("http_delay_type")
    if kind == "fixed_delay":
        report.check(checks.duration, "fixedDelay", delay.fixed_delay)
    elif kind is None:
        report.wrong("it has no fixedDelay")
    else:
        report.at("exponentialDelay").wrong("it is not supported; use fixedDelay")
