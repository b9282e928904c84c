"""From a decision to the CheckResponse that Envoy acts on (mixer-on-envoy.md 5)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from envoy.config.core.v3.base_pb2 import HeaderValueOption
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from google.rpc.code_pb2 import Code

from flotilla_mixer.attributes.entry import API_KEY, MAPPED_CODE
from flotilla_mixer.kit.results import CheckResult, RouteDirective

# What a client of 1.4 saw for each code (mixer.md 8.3).
HTTP_CODES = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
ALLOWED: bytes = CheckResponse().SerializeToString()  # code 0 and nothing else lets a request pass


@lru_cache(maxsize=4096)
def response_bytes(result: CheckResult) -> bytes:
    """The answer, serialised: equal decisions are equal bytes."""
    if result.ok:
        return ALLOWED
    response = CheckResponse()
    response.status.code, response.status.message = result.code, result.message
    body = f"{code_name(result.code)}:{result.message}"
    denied = response.denied_response
    denied.status.code = HTTP_CODES.get(result.code, 500)
    denied.body = body
    headers = [("content-type", "text/plain")]
    if result.direct is not None:
        denied.status.code = result.direct.code or denied.status.code
        denied.body, own = result.direct.body, result.direct.header_lines()
        headers = own if any(name.lower() == "content-type" for name, _ in own) else [*headers, *own]
    denied.headers.extend(HeaderValueOption(header={"key": name, "value": value}) for name, value in headers)
    # For the log entry of the request, and for the mapper that gives gRPC callers the true code.
    response.dynamic_metadata.update(
        {
            "check.error_code": result.code,
            "check.error_message": body,
            MAPPED_CODE: denied.status.code,
            "grpc_status": str(result.code),
        }
    )
    return bytes(response.SerializeToString())


def told_bytes(bag: Mapping[str, object]) -> bytes:
    """What the log entry of the request is to know of the Check, to be appended to an answer: a log has not the headers
    in which a key of an API is.
    """
    key = bag.get(API_KEY)
    return told_key(key) if isinstance(key, str) else b""


@lru_cache(maxsize=4096)
def told_key(key: str) -> bytes:
    """The part of a CheckResponse that says the key of an API."""
    response = CheckResponse()
    response.dynamic_metadata.update({API_KEY: key})
    return bytes(response.SerializeToString())


_ACTIONS = {
    "REPLACE": HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    "APPEND": HeaderValueOption.APPEND_IF_EXISTS_OR_ADD,
}


def directed_bytes(directive: RouteDirective, headers: Mapping[str, str]) -> bytes:
    """The answer that lets a request with these headers pass, changed.

    Of the operations on requests Envoy is only sure to do REPLACE and REMOVE (mixer-on-envoy.md 5): what is to be
    appended is worked out here. From an answer it cannot take a header: REMOVE of a response's is left out.
    """
    response, now = CheckResponse(), dict(headers)
    for each in directive.request:
        name = each.name.lower()
        if each.operation == "REMOVE":
            now.pop(name, None)
        else:
            there = now.get(name)
            now[name] = f"{there},{each.value}" if there is not None and each.operation == "APPEND" else each.value
    ok = response.ok_response
    for name in dict.fromkeys(each.name.lower() for each in directive.request):
        if name in now:
            ok.headers.append(HeaderValueOption(header={"key": name, "value": now[name]}))
        else:
            ok.headers_to_remove.append(name)
    for each in directive.response:
        if each.operation != "REMOVE":
            option = HeaderValueOption(header={"key": each.name, "value": each.value})
            option.append_action = _ACTIONS[each.operation]
            ok.response_headers_to_add.append(option)
    return bytes(response.SerializeToString())


def code_name(code: int) -> str:
    """`PERMISSION_DENIED` for 7."""
    try:
        return str(Code.Name(code))
    except ValueError:
        return "UNKNOWN"
