"""What backends are told of a handler: with each call, or once by a session (InfrastructureBackend, mixer.md 6.1)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from flotilla_mixer.adapters.remote.calls import REFUSED, BackendError, Calls
from flotilla_mixer.adapters.remote.service import session_config
from flotilla_mixer.kit.adapter import Environment
from flotilla_protos.istio.mixer.adapter.model.v1beta1.infrastructure_backend_pb2 import (
    CloseSessionRequest,
    CreateSessionRequest,
    CreateSessionResponse,
    ValidateRequest,
    ValidateResponse,
)

SERVICE = "/istio.mixer.adapter.model.v1beta1.InfrastructureBackend"
CLOSE_SECONDS = 2.0
Types = Mapping[str, AnyMessage]


class EachCall:
    """The parameters go with each call; none where they are empty."""

    def __init__(self, config: bytes) -> None:
        self._config = config

    async def config(self) -> bytes:
        return self._config

    async def close(self) -> None:
        pass


class Session:
    """The parameters were told once. A session is made before the first call, and again by a later one where that
    failed; calls that come meanwhile wait for it.
    """

    def __init__(self, calls: Calls, config: bytes, types: Types, environment: Environment) -> None:
        self._calls = calls
        self._told = AnyMessage.FromString(config)
        self._types = types
        self._environment = environment
        self._lock = asyncio.Lock()
        self._id: str | None = None
        self._config = b""

    async def begin(self) -> None:
        """Make it, if it can be made now; what goes wrong is told, and the first call tries again."""
        with contextlib.suppress(BackendError):
            await self.config()

    async def config(self) -> bytes:
        """Raises BackendError while there is no session."""
        if self._id is None:
            async with self._lock:
                if self._id is None:
                    await self._create()
        return self._config

    async def _create(self) -> None:
        told: dict[str, Any] = {"adapter_config": self._told, "inferred_types": self._types}
        judged = await self._ask("Validate", ValidateRequest(**told), ValidateResponse)
        if judged.status.code:
            raise self._refused(f"the backend refuses the handler's parameters: {judged.status.message}")
        made = await self._ask("CreateSession", CreateSessionRequest(**told), CreateSessionResponse)
        if made.status.code:
            raise self._refused(f"the backend refuses a session: {made.status.message}")
        self._id, self._config = made.session_id, session_config(made.session_id)

    async def _ask(self, method: str, request: Any, reply: Any) -> Any:
        content = await self._calls.call(f"{SERVICE}/{method}", request.SerializeToString())
        try:
            return reply.FromString(content)
        except DecodeError as error:
            raise self._refused(f"the backend's reply to {method} cannot be read") from error

    def _refused(self, text: str) -> BackendError:
        self._environment.complain(REFUSED, text)
        return BackendError(text, REFUSED)

    async def close(self) -> None:
        """End it; a backend that is away forgets it by itself."""
        given, self._id = self._id, None
        if given is not None:
            with contextlib.suppress(BackendError, TimeoutError):
                request = CloseSessionRequest(session_id=given).SerializeToString()
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._calls.call(f"{SERVICE}/CloseSession", request)
