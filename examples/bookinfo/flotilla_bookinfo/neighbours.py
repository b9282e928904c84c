"""Calls from one application to the next: by name, through `http_proxy`, with the headers that travel on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

# What a caller sent and the next hop must see again: tracing contexts of every kind, and who the user is.
TRAVELLING = (
    "x-request-id",
    "x-ot-span-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "traceparent",
    "tracestate",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "sw8",
    "user-agent",
    "cookie",
    "authorization",
    "jwt",
    "end-user",
)


@dataclass(frozen=True)
class Answer:
    """`status` is the neighbour's, 500 if it was not reached; `body` is its JSON, or {"error": text}."""

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        return self.status == 200


class Neighbours:
    """The applications that one calls. One connection pool; `close` it once, at the end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._client: httpx.AsyncClient | None = None

    def url(self, name: str) -> str:
        host = self._environment.get(f"{name.upper()}_HOSTNAME", name)
        port = self._environment.get(f"{name.upper()}_SERVICE_PORT", "9080")
        return f"http://{host}:{port}"

    async def get(self, name: str, path: str, headers: Mapping[str, str], *, seconds: float, failure: str) -> Answer:
        """GET of `path` at the application `name`; never raises for what the other side does."""
        import httpx  # 10 MB, which applications that call nobody do not pay

        try:
            response = await self._open().get(self.url(name) + path, headers=dict(headers), timeout=seconds)
        except httpx.HTTPError:
            return Answer(500, {"error": failure})
        if response.status_code != 200:
            return Answer(response.status_code, {"error": failure})
        try:
            return Answer(200, response.json())
        except ValueError:
            return Answer(500, {"error": failure})

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        # On the first call: the pool belongs to the running loop, and httpx reads http_proxy at this moment.
        if self._client is None:
            import httpx

            self._client = httpx.AsyncClient(trust_env=True)
        return self._client


def travelling(headers: Mapping[str, str], *, user: str = "") -> dict[str, str]:
    """The headers of a request that the next hop gets too; `end-user` names a user who has logged in."""
    carried = {name: headers[name] for name in TRAVELLING if name in headers}
    if user:
        carried["end-user"] = user
    return carried
