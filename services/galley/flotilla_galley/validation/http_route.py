"""One http route of a VirtualService: what goes together, and each part."""

from __future__ import annotations

from http import HTTPStatus

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.destinations import check_destination, check_weights
from flotilla_galley.validation.header_values import header_value
from flotilla_galley.validation.http_match import check_match, check_string
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import (
    CorsPolicy,
    Headers,
    HTTPFaultInjection,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
)

ACTIONS = {"route": "route", "redirect": "redirect", "direct_response": "directResponse", "delegate": "delegate"}
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
METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"])
STATUSES = frozenset(str(status.value) for status in HTTPStatus)
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
MAX_BODY, LARGE_BODY = 1 << 20, 100 << 10


def validate(route: HTTPRoute, report: Report, *, delegate: bool = False) -> None:
    """HR1-HR21. `delegate`: the VirtualService has no hosts, and must not delegate further."""
    _actions(route, report, delegate=delegate)
    for where, match in report.each("match", route.match):
        check_match(match, where)
    for where, target in report.each("route", route.route):
        check_destination(target.destination if target.HasField("destination") else None, where.at("destination"))
        _headers(target.headers, where.at("headers"))
        _authority(target.headers, route.rewrite.authority or _set_authority(route.headers), where.at("headers"))
    _authority(route.headers, route.rewrite.authority, report.at("headers"))
    check_weights(route.route, report)
    _headers(route.headers, report.at("headers"))
    if route.HasField("redirect"):
        _redirect(route.redirect, report.at("redirect"))
    if route.HasField("rewrite"):
        _rewrite(route.rewrite, report.at("rewrite"))
    if route.HasField("timeout"):
        report.check(checks.duration, "timeout", route.timeout)
    if route.HasField("retries"):
        _retries(route.retries, report.at("retries"))
    if route.HasField("fault"):
        _fault(route.fault, report.at("fault"))
    if route.HasField("cors_policy"):
        _cors(route.cors_policy, report.at("corsPolicy"))
    _mirrors(route, report)


def _present(route: HTTPRoute, field: str) -> bool:
    return bool(route.route) if field == "route" else route.HasField(field)


def _actions(route: HTTPRoute, report: Report, *, delegate: bool) -> None:
    given = [name for field, name in ACTIONS.items() if _present(route, field)]
    if not given:
        report.wrong("it leads nowhere; give it route, redirect, directResponse or delegate", "no-route")
    if len(given) > 1:
        report.wrong(f"{' and '.join(given)} exclude each other; keep one of them", "conflict")
    if delegate and route.HasField("delegate"):
        report.at("delegate").wrong("a delegate must not delegate again")
    for action in ("redirect", "direct_response"):
        if route.HasField(action):
            for field in ("fault", "rewrite"):
                if route.HasField(field):
                    report.at(field).wrong(f"it has no effect beside {ACTIONS[action]}; remove one of them", "conflict")
    if route.HasField("direct_response"):
        _direct_response(route, report.at("directResponse"))


def _direct_response(route: HTTPRoute, report: Report) -> None:
    answer = route.direct_response
    if not 200 <= answer.status <= 600:
        report.at("status").wrong(f"{answer.status} is outside of 200 to 600")
    size = max(len(answer.body.string), len(answer.body.bytes))
    if size > MAX_BODY:
        report.at("body").wrong(f"it has {size} bytes; at most {MAX_BODY} are possible")
    elif size > LARGE_BODY:
        report.at("body").warn(f"it has {size} bytes, which every proxy keeps in memory")


def _headers(headers: Headers, report: Report) -> None:
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


def _set_authority(headers: Headers) -> str:
    """The name by which a request's authority is set or added, or ""."""
    names = (*headers.request.set, *headers.request.add)
    return next((name for name in names if name.lower() in (":authority", "host")), "")


def _authority(headers: Headers, before: str, report: Report) -> None:
    """HR6: a request has one authority. `before` is what sets it elsewhere."""
    names = [name for name in (*headers.request.set, *headers.request.add) if name.lower() in (":authority", "host")]
    if len(names) + bool(before) > 1:
        report.at("request").wrong("the authority is set more than once; set it in one place", "conflict")


def _redirect(redirect: HTTPRedirect, report: Report) -> None:
    target = redirect.uri or redirect.prefix_rewrite or redirect.authority or redirect.scheme
    if not (target or redirect.WhichOneof("redirect_port")):
        report.wrong("it changes nothing; give it uri, prefixRewrite, authority, scheme, port or derivePort")
    if redirect.uri and redirect.prefix_rewrite:
        report.at("prefixRewrite").wrong("it excludes uri; keep one of them", "conflict")
    if redirect.redirect_code and not 300 <= redirect.redirect_code <= 399:
        report.at("redirectCode").wrong(f"{redirect.redirect_code} is outside of 300 to 399")
    if redirect.scheme not in ("", "http", "https"):
        report.at("scheme").wrong(f"{redirect.scheme!r} is neither http nor https")
    if redirect.HasField("port"):
        report.check(checks.port, "port", redirect.port)


def _rewrite(rewrite: HTTPRewrite, report: Report) -> None:
    pattern = rewrite.HasField("uri_regex_rewrite")
    if not (rewrite.uri or rewrite.authority or pattern):
        report.wrong("it changes nothing; give it uri, authority or uriRegexRewrite")
    if rewrite.uri and pattern:
        report.wrong("uri and uriRegexRewrite exclude each other; keep one of them", "conflict")
    if pattern:
        report.at("uriRegexRewrite").check(checks.regex, "match", rewrite.uri_regex_rewrite.match)
        if not rewrite.uri_regex_rewrite.rewrite:
            report.at("uriRegexRewrite").at("rewrite").wrong("it is missing")


def _retries(retries: HTTPRetry, report: Report) -> None:
    if retries.attempts < 0:
        report.at("attempts").wrong(f"{retries.attempts} is below 0")
    if retries.attempts == 0 and (
        retries.HasField("per_try_timeout") or retries.retry_on or retries.HasField("retry_remote_localities")
    ):
        report.at("attempts").wrong("it is 0, which switches retries off, while other fields of retries are set")
    if retries.HasField("per_try_timeout"):
        report.check(checks.duration, "perTryTimeout", retries.per_try_timeout)
    for word in retries.retry_on.split(",") if retries.retry_on else ():
        if word not in RETRY_ON and word not in STATUSES:
            report.at("retryOn").wrong(f"{word!r} is no condition to retry on (no spaces after the commas)")


def _fault(fault: HTTPFaultInjection, report: Report) -> None:
    if not (fault.HasField("abort") or fault.HasField("delay")):
        report.wrong("it has neither delay nor abort")
    if fault.HasField("abort"):
        _abort(fault.abort, report.at("abort"))
    if fault.HasField("delay"):
        _delay(fault.delay, report.at("delay"))


def _abort(abort: HTTPFaultInjection.Abort, report: Report) -> None:
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


def _delay(delay: HTTPFaultInjection.Delay, report: Report) -> None:
    report.at("percentage").check(checks.percent, "value", delay.percentage.value)
    kind = delay.WhichOneof("http_delay_type")
    if kind == "fixed_delay":
        report.check(checks.duration, "fixedDelay", delay.fixed_delay)
    elif kind is None:
        report.wrong("it has no fixedDelay")
    else:
        report.at("exponentialDelay").wrong("it is not supported; use fixedDelay")


def _cors(policy: CorsPolicy, report: Report) -> None:
    for where, origin in report.each("allowOrigins", policy.allow_origins):
        check_string(origin, where)
    for where, text in report.each("allowOrigin", policy.allow_origin):
        where.wrong("" if text == "*" else _origin(text))
    for where, method in report.each("allowMethods", policy.allow_methods):
        where.wrong("" if method in METHODS else f"{method!r} is no HTTP method")
    for field, names in (("allowHeaders", policy.allow_headers), ("exposeHeaders", policy.expose_headers)):
        for where, name in report.each(field, names):
            where.wrong("" if name == "*" else checks.header_name(name))
    if policy.HasField("max_age"):
        report.check(checks.duration, "maxAge", policy.max_age)
        if policy.max_age.nanos:
            report.at("maxAge").wrong("only whole seconds are possible")


def _origin(text: str) -> str:
    """`[http[s]://]host[:port]`"""
    host = text.removeprefix("https://").removeprefix("http://")
    name, colon, number = host.partition(":")
    if colon and not (number.isdigit() and not checks.port(int(number))):
        return f"{text!r} has no port from 1 to 65535 after the colon"
    return checks.fqdn(name)


def _mirrors(route: HTTPRoute, report: Report) -> None:
    if route.HasField("mirror"):
        check_destination(route.mirror, report.at("mirror"))
        if route.mirrors:
            report.at("mirrors").wrong("mirror and mirrors exclude each other; keep mirrors", "conflict")
    if route.HasField("mirror_percentage"):
        report.at("mirrorPercentage").check(checks.percent, "value", route.mirror_percentage.value)
    if route.HasField("mirror_percent") and route.mirror_percent.value > 100:
        report.at("mirrorPercent").wrong(f"{route.mirror_percent.value} is above 100")
    for where, mirror in report.each("mirrors", route.mirrors):
        check_destination(mirror.destination if mirror.HasField("destination") else None, where.at("destination"))
        where.at("percentage").check(checks.percent, "value", mirror.percentage.value)
