"""Requests to the API server: bytes in and out, typed errors, the token read at every use."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, TypeVar

import httpx
import msgspec

from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.errors import KubeError, Throttled, Unreachable, error_of
from flotilla_shared.runtime.settings import ServiceSettings

T = TypeVar("T")
Params = Mapping[str, str | int]
PatchKind = Literal["merge", "json", "apply"]

JSON = "application/json"
PATCH_TYPES: dict[PatchKind, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 5.0
# How often, and how long at most, a request waits when the server says that it has too much to do.
THROTTLED_TRIES = 3
THROTTLED_SECONDS = 10.0
# An API server that is gone without a word is noticed after half a minute, also by a watch that waits.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
)


class KubeClient:
    """Component. One pool of connections; any number of callers.

    `create`, `replace`, `patch` and `delete` give the object in the answer. All raise KubeError.
    """

    def __init__(self, connection: KubeConnection, *, user_agent: str = "flotilla") -> None:
        self.connection = connection
        self._user_agent = user_agent
        self._http: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Opens nothing yet: the first request does."""
        transport = httpx.AsyncHTTPTransport(
            verify=self.connection.context or False,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            socket_options=_KEEPALIVE,
        )
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=self.connection.server,
            timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
            headers={"user-agent": self._user_agent},
            trust_env=False,
            follow_redirects=False,
        )

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | list[Any] | msgspec.Struct | bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """The body of a good answer. Waits and tries again where the server says that it has too much to do."""
        content = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        headers = {"accept": accept} | ({"content-type": content_type} if content is not None else {})
        for tries_left in reversed(range(THROTTLED_TRIES)):
            try:
                return await self._once(method, path, params, content, headers)
            except Throttled as error:
                if not tries_left:
                    raise
                await asyncio.sleep(min(error.retry_after or 1.0, THROTTLED_SECONDS))
        raise AssertionError  # the last try returns or raises

    async def _once(
        self, method: str, path: str, params: Params | None, content: bytes | None, headers: dict[str, str]
    ) -> bytes:
        async with self._answer(method, path, params, content, headers) as answer:
            return await answer.aread()

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        params: Params | None,
        content: bytes | None,
        headers: dict[str, str],
        read_seconds: float = REQUEST_SECONDS,
    ) -> AsyncIterator[httpx.Response]:
        """A good answer, its body not yet read; whatever httpx raises meanwhile becomes Unreachable."""
        if self._http is None:
            raise RuntimeError("the Kubernetes client is not started")
        if token := await self.connection.credentials.token():
            headers = {**headers, "authorization": f"Bearer {token}"}
        name = self.connection.server_name
        try:
            async with self._http.stream(
                method,
                path,
                params=dict(params or {}),
                content=content,
                headers=headers,
                timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS, read=read_seconds),
                extensions={"sni_hostname": name} if name else None,
            ) as answer:
                if not answer.is_success:
                    body = await answer.aread()
                    raise error_of(answer.status_code, body, answer.headers.get("retry-after", ""))
                yield answer
        except (httpx.HTTPError, httpx.StreamError) as error:
            text = str(error) or type(error).__name__
            raise Unreachable(f"{method} {self.connection.server}{path}: {text}") from error

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, *, params: Params, accept: str = JSON, read_seconds: float = REQUEST_SECONDS
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a GET as it comes, in chunks; `read_seconds` is the longest silence that is borne."""
        async with self._answer("GET", path, params, None, {"accept": accept}, read_seconds) as answer:
            yield answer.aiter_bytes()

    async def get(self, path: str, *, params: Params | None = None) -> Any:
        """An object as plain data; `get_as` is quicker where little of it is wanted."""
        return msgspec.json.decode(await self.request("GET", path, params=params))

    async def get_as(self, path: str, kind: type[T], *, params: Params | None = None) -> T:
        """An object as a KubeStruct. An answer that is none raises KubeError."""
        body = await self.request("GET", path, params=params)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise KubeError(0, "Undecodable", f"GET {path}: {error}") from error

    async def create(self, path: str, body: Mapping[str, Any] | msgspec.Struct, *, params: Params | None = None) -> Any:
        """POST to the path of a collection. Raises AlreadyExists."""
        return msgspec.json.decode(await self.request("POST", path, params=params, body=body))

    async def replace(
        self, path: str, body: Mapping[str, Any] | msgspec.Struct, *, params: Params | None = None
    ) -> Any:
        """PUT. With a resourceVersion in the body it raises Conflict when the object is another by now."""
        return msgspec.json.decode(await self.request("PUT", path, params=params, body=body))

    async def patch(
        self,
        path: str,
        body: Mapping[str, Any] | list[Any],
        kind: PatchKind = "merge",
        *,
        params: Params | None = None,
    ) -> Any:
        """PATCH. `apply` needs `params={"fieldManager": ...}`; a failed `test` of `json` raises Invalid."""
        answer = await self.request("PATCH", path, params=params, body=body, content_type=PATCH_TYPES[kind])
        return msgspec.json.decode(answer)

    async def delete(self, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
        """DELETE; `body` is DeleteOptions (preconditions). Raises NotFound."""
        return msgspec.json.decode(await self.request("DELETE", path, body=body))


def open_client(settings: ServiceSettings, service: str = "") -> KubeClient:
    """A client as the settings say: by the kubeconfig file, or by the pod's service account.

    Not started. Blocking (it reads files); raises ConnectionSettingsError.
    """
    file = settings.kubeconfig
    connection = KubeConnection.from_kubeconfig(file) if file else KubeConnection.from_pod()
    return KubeClient(connection, user_agent=f"flotilla-{service}" if service else "flotilla")
