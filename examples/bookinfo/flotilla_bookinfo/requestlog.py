"""One line of JSON on stdout for each request served: who called, what for, with what result.

`caller` is the SPIFFE identity that the sidecar vouches for in `x-forwarded-client-cert`; without a sidecar
it is empty.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_URI = re.compile(r"(?:^|[;,])\s*URI=([^;,]*)")


def caller_of(forwarded_client_cert: str) -> str:
    """The identity of the nearest caller in an x-forwarded-client-cert value (the last element), or ""."""
    found = _URI.findall(forwarded_client_cert)
    return found[-1] if found else ""


class RequestLog:
    """ASGI middleware. Health questions are not logged: they come every second and say nothing."""

    def __init__(self, app: ASGIApp, service: str, version: str) -> None:
        self._app = app
        self._names = {"service": service, "version": version}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._write(scope, status, time.perf_counter() - began)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        headers: Mapping[str, str] = Headers(scope=scope)
        certificate = headers.get("x-forwarded-client-cert", "")
        line = {
            **self._names,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "caller": caller_of(certificate),
            "user": headers.get("end-user", ""),
            "request_id": headers.get("x-request-id", ""),
            "peer": (scope.get("client") or ("",))[0],
            "forwarded_client_cert": certificate,
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
