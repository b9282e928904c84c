"""From a decision to the CheckResponse that Envoy acts on (mixer-on-envoy.md 5)."""

from __future__ import annotations

from functools import lru_cache

from envoy.config.core.v3.base_pb2 import HeaderValueOption
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from google.rpc.code_pb2 import Code

from flotilla_mixer.attributes.entry import MAPPED_CODE
from flotilla_mixer.kit.results import CheckResult

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
    denied.headers.append(HeaderValueOption(header={"key": "content-type", "value": "text/plain"}))
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


def code_name(code: int) -> str:
    """`PERMISSION_DENIED` for 7."""
    try:
        return str(Code.Name(code))
    except ValueError:
        return "UNKNOWN"
