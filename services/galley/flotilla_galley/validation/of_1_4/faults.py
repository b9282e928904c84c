"""Faults that are put into calls (rules HR17 and HR18 as Istio 1.4 has them)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.http_route import status
from flotilla_galley.validation.of_1_4.primitives import percent
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPFaultInjection


def check_fault(fault: HTTPFaultInjection, report: Report) -> None:
    if not (fault.HasField("abort") or fault.HasField("delay")):
        report.wrong("it has neither delay nor abort")
    if fault.HasField("abort"):
        check_abort(fault.abort, report.at("abort"))
    if fault.HasField("delay"):
        check_delay(fault.delay, report.at("delay"))


def check_abort(abort: HTTPFaultInjection.Abort, report: Report) -> None:
    _percentage(abort, report)
    kind = abort.WhichOneof("error_type")
    if kind == "http_status":
        report.check(status, "httpStatus", abort.http_status)
    elif kind is not None:
        field = "grpcStatus" if kind == "grpc_status" else "http2Error"
        report.at(field).wrong("Istio 1.4 does not support it; use httpStatus")


def check_delay(delay: HTTPFaultInjection.Delay, report: Report) -> None:
    _percentage(delay, report)
    kind = delay.WhichOneof("http_delay_type")
    if kind == "fixed_delay":
        report.check(checks.duration, "fixedDelay", delay.fixed_delay)
    elif kind is not None:
        report.at("exponentialDelay").wrong("it is not supported; use fixedDelay")


def _percentage(fault: HTTPFaultInjection.Abort | HTTPFaultInjection.Delay, report: Report) -> None:
    """The older, whole number counts where there is no other."""
    if fault.HasField("percentage"):
        report.at("percentage").check(checks.percent, "value", fault.percentage.value)
    else:
        report.check(percent, "percent", fault.percent)
