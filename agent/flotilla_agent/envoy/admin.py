"""Questions to an Envoy's admin port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from flotilla_agent.bootstrap.bootstrap import ADMIN_PORT, HEALTH_PORT, PROMETHEUS_PORT
from flotilla_agent.errors import AdminUnavailable

SECONDS = 2.0
LIVE = "LIVE"
WATCHED = r"^control_plane\.connected_state$|update_rejected$|total_listeners_active$|manager\.[lc]ds\.update_success$"
FIRST_UPDATES = ("listener_manager.lds.update_success", "cluster_manager.cds.update_success")
CONNECTIONS = r"^listener\..*\.downstream_cx_active$"


@dataclass(frozen=True, slots=True)
class Owner:
    """Which Envoy answers: its node id, and the file with which it was started."""

    node_id: str
    bootstrap: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What Envoy's statistics say about its configuration."""

    connected: bool = False  # to Pilot, now
    configured: bool = False  # listeners and clusters were taken at least once
    update_rejected: int = 0  # of all types, secrets included
    listeners: int = 0


def open_client() -> httpx.AsyncClient:
    """A client for all admin ports of the agent: no proxy of the environment may come between. The caller closes it."""
    return httpx.AsyncClient(trust_env=False, timeout=SECONDS)


class Admin:
    """One Envoy's admin port. Every method raises AdminUnavailable where it does not answer as Envoy does."""

    def __init__(self, address: str, client: httpx.AsyncClient, public_address: str = "") -> None:
        host = f"[{address}]" if ":" in address else address
        self._base = f"http://{host}:{ADMIN_PORT}"
        named = f"[{public.replace(':', '_')}]" if ":" in (public := public_address or address) else public
        ports = (PROMETHEUS_PORT, HEALTH_PORT)
        self._own_listeners = ("listener.admin.", *(f"listener.{named}_{port}." for port in ports))
        self._client = client

    async def state(self) -> str:
        """LIVE, PRE_INITIALIZING, INITIALIZING or DRAINING."""
        return (await self._ask("GET", "/ready")).text.strip()

    async def owner(self) -> Owner:
        info = _json(await self._ask("GET", "/server_info"))
        node, options = info.get("node") or {}, info.get("command_line_options") or {}
        return Owner(str(node.get("id", "")), str(options.get("config_path", "")))

    async def reading(self) -> Reading:
        stats = await self.statistics(WATCHED)
        return Reading(
            connected=stats.get("control_plane.connected_state") == 1,
            configured=all(stats.get(name, 0) > 0 for name in FIRST_UPDATES),
            update_rejected=sum(value for name, value in stats.items() if name.endswith(".update_rejected")),
            listeners=stats.get("listener_manager.total_listeners_active", 0),
        )

    async def drain(self, *, inbound_only: bool) -> None:
        """Connections are asked to end, and the listeners close after Envoy's drain time."""
        await self._ask("POST", "/drain_listeners?graceful" + ("&inboundonly" if inbound_only else ""))

    async def active_connections(self) -> int:
        """To the workload's listeners; those to admin and the Prometheus listener do not count."""
        stats = await self.statistics(CONNECTIONS)
        return sum(value for name, value in stats.items() if not name.startswith(self._own_listeners))

    async def prometheus(self) -> str:
        """All statistics in Prometheus' text format."""
        return (await self._ask("GET", "/stats/prometheus")).text

    async def statistics(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match the expression."""
        answer = _json(await self._ask("GET", "/stats", format="json", filter=pattern))
        return {stat["name"]: stat["value"] for stat in answer.get("stats", ()) if isinstance(stat.get("value"), int)}

    async def _ask(self, method: str, path: str, **query: str) -> httpx.Response:
        try:
            # An empty query would cut off the one in the path.
            return await self._client.request(method, self._base + path, params=query or None)
        except httpx.HTTPError as error:
            raise AdminUnavailable(f"Envoy's admin port {self._base} does not answer: {error}") from error


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError as error:
        raise AdminUnavailable(f"{response.url} answered what no Envoy answers") from error
    return content if isinstance(content, dict) else {}
