"""Getting the root from a shared store, however long its server is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from flotilla_citadel.ca.root import Root, RootPem, make_root
from flotilla_citadel.store.establish import SharedRootStore, establish_shared_root
from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


async def load_shared_root(
    store: SharedRootStore, trust_domain: str, waiting: Callable[[str], None], backoff: Backoff | None = None
) -> Root:
    """The root of the store, made if there is none. Raises StartRefused for one that must not be used.

    What the API server does not do now is tried again; `waiting` hears why.
    """
    backoff = backoff or Backoff(first=0.2, cap=10.0)
    made: list[RootPem] = []

    def make() -> RootPem:
        if not made:  # once, however often storing it must be tried
            made.append(make_root(trust_domain, datetime.now(UTC)))
        return made[0]

    while True:
        try:
            root, created = await establish_shared_root(store, make, datetime.now(UTC))
        except KubeError as error:
            reason = f"{store.place} cannot be read or made: {error}"
            waiting(reason)
            _log.warning("no root yet", error=reason)
            await asyncio.sleep(backoff.next())
        else:
            log_root(store.place, root, created=created)
            return root


def log_root(place: str, root: Root, *, created: bool) -> None:
    """Say which root it is."""
    _log.info(
        "root made" if created else "root loaded",
        place=place,
        serial=f"{root.certificate.serial_number:x}",
        expires=root.certificate.not_valid_after_utc.isoformat(),
    )
