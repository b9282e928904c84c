"""Calls to one backend: each has an end, and what goes wrong is counted by cause."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from flotilla_mixer.adapters.remote.channel import open_backend, root_certificates
from flotilla_mixer.adapters.remote.tokens import TokenError, headers_of
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.remote import Backend, TlsAuthentication

LONGEST_SECONDS = 30.0  # of a call whose handler says nothing: a proxy has long gone by then
NO_TOKEN, REFUSED = "token", "refused"
_CAUSES = {grpc.StatusCode.UNAVAILABLE: UNREACHABLE, grpc.StatusCode.DEADLINE_EXCEEDED: TIMEOUT}
AGAIN = frozenset((grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED))


class BackendError(Exception):
    """A call failed. `cause` is one word for metrics; `retry` says that the same call may succeed later."""

    def __init__(self, text: str, cause: str, retry: bool = False) -> None:
        super().__init__(text)
        self.cause = cause
        self.retry = retry


class Calls:
    """The channel to a backend. One that is away or slow holds up nobody else: a call waits in its own task."""

    def __init__(self, backend: Backend, environment: Environment) -> None:
        """Raises ValueError where the channel cannot be made."""
        self._environment = environment
        self._timeout = backend.timeout or LONGEST_SECONDS
        authentication = backend.authentication
        roots = root_certificates(authentication.ca_file) if isinstance(authentication, TlsAuthentication) else b""
        self._headers = headers_of(authentication, environment, roots)
        self._channel, self._close = open_backend(backend, environment)

    async def call(self, path: str, request: bytes) -> bytes:
        """The backend's reply. Raises BackendError."""
        try:
            async with asyncio.timeout(self._timeout):
                headers = await self._headers()
                ask: Any = self._channel.unary_unary(path)  # bytes in, bytes out
                reply: bytes = await ask(request, timeout=self._timeout, metadata=headers)
        except TokenError as error:
            raise self._failed(NO_TOKEN, str(error), retry=True) from error
        except grpc.aio.AioRpcError as error:
            code = error.code()
            cause = _CAUSES.get(code, REFUSED)
            raise self._failed(cause, f"{code.name}: {error.details()}", retry=code in AGAIN) from error
        except TimeoutError as error:
            raise self._failed(TIMEOUT, f"no answer in {self._timeout:g} s", retry=True) from error
        self._environment.works_again("the backend answers again")
        return reply

    def _failed(self, cause: str, text: str, retry: bool) -> BackendError:
        self._environment.complain(cause, "a call to the backend failed", error=text[:500])
        return BackendError(text, cause, retry)

    async def close(self) -> None:
        """End the channel. Safe twice."""
        await self._channel.close()
        self._close()
