"""Citadel, wired for one machine: settings in, components joined, started and stopped in order.

    monitoring, introspection -> own certificate -> certificate service (8060) -> root published

The root is loaded (or made) before anything listens, and published after the service listens: whoever finds
`root-cert.pem` can ask for a certificate. `kubernetes` wires the same parts to the API server.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from flotilla_citadel.ca.root import Root, make_root
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.kubernetes import ClusterCitadel
from flotilla_citadel.publish.root_file import publish_root
from flotilla_citadel.servers.edges import add_edges
from flotilla_citadel.servers.issued import IssuedLog
from flotilla_citadel.servers.metrics import CitadelMetrics
from flotilla_citadel.signing import Signing
from flotilla_citadel.store.establish import establish_root
from flotilla_citadel.store.file import FileStore
from flotilla_citadel.store.load import log_root
from flotilla_shared.runtime.kube.connection import ConnectionSettingsError
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.readiness import Condition, Readiness

SERVICE = "citadel"

_log = get_logger(__name__)


async def serve(settings: CitadelSettings) -> int:
    """Run Citadel until it is told to stop; gives the process's exit code."""
    try:
        citadel = ClusterCitadel(settings) if settings.platform == "kubernetes" else Citadel(settings)
    except (StartRefused, ConnectionSettingsError) as refused:
        _log.error("citadel cannot start", error=str(refused))
        return 1
    return await citadel.lifecycle.run()


def load_root(settings: CitadelSettings) -> Root:
    """The root of the store, made if there is none. Blocking. Raises StartRefused."""
    now = datetime.now(UTC)
    store = FileStore(settings.store_dir)
    root, created = establish_root(store, lambda: make_root(settings.trust_domain, now), now)
    log_root(store.place, root, created=created)
    return root


class RootPublisher:
    """A component that publishes the root when it starts, and leaves it there when it stops."""

    def __init__(self, path: Path, pem: str, published: Condition) -> None:
        self._path = path
        self._pem = pem
        self._published = published

    async def start(self) -> None:
        await asyncio.to_thread(publish_root, self._path, self._pem)
        self._published.met()
        _log.info("root published", file=str(self._path))

    async def stop(self) -> None:
        pass


class Citadel:
    """All parts of one Citadel. Made without being started; `lifecycle` starts and stops it.

    Raises StartRefused when the root cannot be used. `authority` is there for a process that holds several
    services and asks without a network.
    """

    def __init__(self, settings: CitadelSettings) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics(SERVICE)
        self.readiness = Readiness()
        self.issued = IssuedLog()
        signing = Signing(settings, load_root(settings), CitadelMetrics(self.metrics), self.issued)
        self.authority, self.identity, self.server = signing.authority, signing.identity, signing.server
        self.lifecycle = self._lifecycle(signing)

    def _lifecycle(self, signing: Signing) -> Lifecycle:
        settings = self.settings
        published = RootPublisher(
            settings.root_file, self.authority.signer.root_pem, self.readiness.condition("root published")
        )
        self.readiness.condition("signer loaded").met()
        lifecycle = Lifecycle()
        add_edges(lifecycle, settings, self.metrics, self.readiness, {"certificates": self.issued.view})
        signing.add_to(lifecycle)
        lifecycle.add(published, "root publisher")
        return lifecycle
