"""Questions to an Envoy's admin port."""

from __future__ import annotations

from typing import Any

import httpx

from flotilla_agent.bootstrap.bootstrap import ADMIN_PORT
from flotilla_agent.errors import AdminUnavailable

SECONDS = 2.0
REJECTED = (
    "listener_manager.lds.update_rejected",
    "cluster_manager.cds.update_rejected",
)


class Admin:
    """One Envoy's admin port. `close` it at the end."""

    def __init__(self, address: str, client: httpx.AsyncClient | None = None) -> None:
        self._base = f"http://{address}:{ADMIN_PORT}"
        self._client = client or httpx.AsyncClient(trust_env=False, timeout=SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> httpx.Response:
        """Raises AdminUnavailable."""
        try:
            return await self._client.get(self._base + path)
        except httpx.HTTPError as error:
            raise AdminUnavailable(f"Envoy's admin port {self._base} does not answer: {error}") from error

    async def post(self, path: str) -> None:
        """Raises AdminUnavailable."""
        try:
            await self._client.post(self._base + path)
        except httpx.HTTPError as error:
            raise AdminUnavailable(f"Envoy's admin port {self._base} does not answer: {error}") from error

    async def live(self) -> bool:
        """Whether it serves with a configuration. Raises AdminUnavailable."""
        return (await self.get("/ready")).text.strip() == "LIVE"

    async def node_id(self) -> str:
        """Who answers: another Envoy on the same address is not ours. Raises AdminUnavailable."""
        info = (await self.get("/server_info")).json()
        return str(info.get("node", {}).get("id", ""))

    async def stats(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match a regular expression. Raises AdminUnavailable."""
        answer = await self.get(f"/stats?format=json&filter={pattern}")
        found: dict[str, int] = {}
        for stat in answer.json().get("stats", []):
            if isinstance(stat.get("value"), int):
                found[stat["name"]] = stat["value"]
        return found

    async def summary(self) -> dict[str, Any]:
        """What a status page needs. Raises AdminUnavailable."""
        stats = await self.stats(
            r"(^control_plane\.connected_state|\.update_rejected|total_listeners_active|[lc]ds\.update_success)$"
        )
        return {
            "connected": stats.get("control_plane.connected_state", 0) == 1,
            "update_rejected": sum(value for name, value in stats.items() if name.endswith(".update_rejected")),
            "listeners": stats.get("listener_manager.total_listeners_active", 0),
            "configured": all(
                stats.get(name, 0) > 0
                for name in ("listener_manager.lds.update_success", "cluster_manager.cds.update_success")
            ),
        }

    async def active_connections(self) -> int:
        """Connections to the workload's own listeners: not to admin, not to the Prometheus listener."""
        stats = await self.stats(r"^listener\..*\.downstream_cx_active$")
        return sum(
            value for name, value in stats.items() if not name.startswith("listener.admin") and "_15090." not in name
        )
