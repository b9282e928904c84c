"""What can go wrong between a service and the API server.

KubeError
├── Unreachable     no answer: refused, cut, timed out, TLS failed
├── Unauthorized    401: the token is not taken
├── Forbidden       403: a right is missing
├── NotFound        404: no such object, or the kind is not served
├── AlreadyExists   409 at a create
├── Conflict        409: somebody else changed the object in between
├── Gone            410: the resourceVersion or the continue token is too old
├── Invalid         422: the object is refused
└── Throttled       429: too many requests; `retry_after` says how long to wait
"""

from __future__ import annotations

import msgspec


class KubeError(Exception):
    """The API server did not do what it was asked.

    `status` is the HTTP code (0 without an answer), `reason` its word for programs (`Conflict`), `message` one for people,
    `retry_after` seconds that the server asks to wait (0: it did not ask).
    """

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message or reason or f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class Unreachable(KubeError):
    """There was no answer, or only a part of one."""

    def __init__(self, message: str) -> None:
        super().__init__(0, "Unreachable", message)


class Unauthorized(KubeError):
    """The API server does not know the caller."""


class Forbidden(KubeError):
    """The caller has no right to it."""


class NotFound(KubeError):
    """There is no such object, or no such kind."""


class AlreadyExists(KubeError):
    """An object of this name is there."""


class Conflict(KubeError):
    """The object is not in the version that the caller knew."""


class Gone(KubeError):
    """What was asked for is too old to be had."""


class Invalid(KubeError):
    """The object is not as its schema or an admission webhook wants it."""


class Throttled(KubeError):
    """The API server has too much to do."""


_BY_STATUS: dict[int, type[KubeError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: Throttled,
}


class _Status(msgspec.Struct, frozen=True):
    """`v1.Status`, which the API server answers instead of an object."""

    reason: str = ""
    message: str = ""
    code: int = 0


_decode_status = msgspec.json.Decoder(_Status).decode


def error_of(status: int, body: bytes, retry_after: str = "") -> KubeError:
    """The error of an answer; the body is a `v1.Status` or any text. `status` 0 takes the code from the body."""
    try:
        found = _decode_status(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _Status(message=body[:200].decode(errors="replace").strip())
    code = status or found.code
    kind = AlreadyExists if (code, found.reason) == (409, "AlreadyExists") else _BY_STATUS.get(code, KubeError)
    return kind(code, found.reason, found.message, retry_after=_seconds(retry_after))


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0
