"""Questions to the mesh's parts, over HTTP; all answer within two seconds or count as silent. Nothing here
raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from flotilla_cli.errors import Refused

SECONDS = 2.0
MONITORING_PORT = 15014
INTROSPECTION_PORT = 9876


@dataclass(frozen=True)
class Readiness:
    ready: bool
    reasons: tuple[str, ...] = ()


class Probe:
    """Asks the services of one mesh. `close` it at the end."""

    def __init__(self, agent_socket: Path) -> None:
        # The environment's proxies are for applications, not for the control plane.
        self._client = httpx.AsyncClient(trust_env=False, timeout=SECONDS)
        self._agent = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(agent_socket)),
            base_url="http://agent",
            trust_env=False,
            timeout=SECONDS,
        )

    async def close(self) -> None:
        await self._client.aclose()
        await self._agent.aclose()

    async def ready(self, address: str) -> Readiness:
        """What a service's /readyz says; a silent one is not ready."""
        try:
            response = await self._client.get(f"http://{address}:{MONITORING_PORT}/readyz")
        except httpx.HTTPError:
            return Readiness(False, ("does not answer yet",))
        if response.status_code == 200:
            return Readiness(True)
        return Readiness(False, tuple(reasons(_json(response))))

    async def debug(self, address: str, topic: str, port: int = INTROSPECTION_PORT) -> Any:
        """A debug topic's JSON, or None."""
        try:
            response = await self._client.get(f"http://{address}:{port}/debug/{topic}")
        except httpx.HTTPError:
            return None
        return _json(response) if response.status_code == 200 else None

    async def workloads(self) -> list[dict[str, Any]] | None:
        """The agent's workloads, or None if it does not answer."""
        try:
            answer = _json(await self._agent.get("/workloads"))
        except httpx.HTTPError:
            return None
        return answer if isinstance(answer, list) else None

    async def add_workload(self, body: dict[str, Any]) -> None:
        """Raises Refused with the agent's sentence."""
        await self._agent_call("POST", "/workloads", body)

    async def remove_workload(self, name: str, *, seconds: float) -> None:
        """Drains and stops it; one that the agent does not have is no error. Raises Refused."""
        await self._agent_call("DELETE", f"/workloads/{name}", None, seconds)

    async def _agent_call(self, method: str, path: str, body: dict[str, Any] | None, seconds: float = SECONDS) -> None:
        try:
            response = await self._agent.request(method, path, json=body, timeout=seconds)
        except httpx.HTTPError as error:
            raise Refused("The agent does not answer.", "`flotilla status` says why.") from error
        if response.status_code >= 400 and not (method == "DELETE" and response.status_code == 404):
            raise Refused(f"The agent refused: {_text(response)}")


def reasons(body: object) -> Sequence[str]:
    """The unmet conditions in a /readyz body, as sentences."""
    if not isinstance(body, dict):
        return ("is not ready",)
    conditions = body.get("conditions")
    if not isinstance(conditions, dict):
        return ("is not ready",)
    return [f"{name}: {reason}" for name, reason in conditions.items() if reason != "met"]


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _text(response: httpx.Response) -> str:
    body = _json(response)
    if isinstance(body, dict):
        return str(body.get("detail") or body.get("error") or body)
    return response.text.strip() or f"status {response.status_code}"
