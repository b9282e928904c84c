"""The application's own metrics beside Envoy's: where injection said they are, bounded in size and time."""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx

from flotilla_agent.errors import PodRefused

VARIABLE = "ISTIO_PROMETHEUS_ANNOTATIONS"
SECONDS = 10.0
LARGEST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    port: int
    path: str = "/metrics"

    @property
    def url(self) -> str:
        """Over loopback, of which interception leaves 127.0.0.1 alone."""
        path = self.path if self.path.startswith("/") else f"/{self.path}"
        return f"http://127.0.0.1:{self.port}{path}"


def read_target(text: str, status_port: int) -> ScrapeTarget | None:
    """None where the application has no metrics or does not want them scraped. Raises PodRefused."""
    if not text:
        return None
    try:
        given = json.loads(text)
    except ValueError as error:
        raise PodRefused(f"the variable {VARIABLE} is not JSON: {error}") from error
    if not isinstance(given, dict) or str(given.get("scrape", "true")).lower() == "false":
        return None
    port = str(given.get("port") or "80")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise PodRefused(f"{VARIABLE}: the port {port!r} must be a number between 1 and 65535")
    if int(port) == status_port:
        return None  # its own: it would ask itself without end
    return ScrapeTarget(int(port), str(given.get("path") or "/metrics"))


class Scraper:
    """Reads the application's metrics; what goes wrong is counted and shown, never raised."""

    def __init__(self, target: ScrapeTarget | None, client: httpx.AsyncClient) -> None:
        self._target = target
        self._client = client
        self.scrapes = self.failures = 0

    async def read(self) -> str:
        if self._target is None:
            return ""
        self.scrapes += 1
        try:
            return await self._fetch(self._target)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            self.failures += 1
            return ""

    async def _fetch(self, target: ScrapeTarget) -> str:
        content = b""
        headers = {"accept": "text/plain;version=0.0.4"}
        async with self._client.stream("GET", target.url, headers=headers, timeout=SECONDS) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > LARGEST_BYTES:
                    raise ValueError("too large")
        text = content.decode("utf-8", "replace")
        return text if text.endswith("\n") else f"{text}\n"

    def metrics(self) -> str:
        return (
            "# HELP istio_agent_scrapes_total scrapes of the application's metrics\n"
            "# TYPE istio_agent_scrapes_total counter\n"
            f"istio_agent_scrapes_total {self.scrapes}\n"
            "# HELP istio_agent_scrape_failures_total scrapes that failed\n"
            "# TYPE istio_agent_scrape_failures_total counter\n"
            f'istio_agent_scrape_failures_total{{type="application"}} {self.failures}\n'
        )
