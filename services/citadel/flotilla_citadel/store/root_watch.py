"""The root's Secret while Citadel runs: a change or deletion is told aloud, and the loaded root goes on signing.

A root that changed under a running mesh would break every connection at once, so nothing here replaces it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from flotilla_citadel.ca.root import Root, read_root
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.store.secret import NAME, decode_root
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import KubeMetrics
from flotilla_shared.runtime.kube.objects import Secret
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import SECRETS
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class SecretState(StrEnum):
    """What the Secret is to the root that was loaded from it."""

    UNKNOWN = "unknown"  # not read since the start
    SAME = "same"
    CHANGED = "changed"
    DELETED = "deleted"


class RootWatch:
    """Component. `state` and `reason` say how the Secret stands to `loaded`; `on_trouble` hears of a new trouble."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        loaded: Root,
        *,
        metrics: KubeMetrics,
        on_trouble: Callable[[SecretState, str], None],
    ) -> None:
        self.state = SecretState.UNKNOWN
        self.reason = ""
        self._place = f"Secret {namespace}/{NAME}"
        self._loaded = loaded
        self._on_trouble = on_trouble
        self._secret: Secret | None = None
        self._tasks = Tasks("root watch")
        self._reflector = Reflector(
            client,
            SECRETS,
            Secret,
            namespace=namespace,
            field_selector=f"metadata.name={NAME}",
            on_change=self._changed,
            metrics=metrics,
        )

    async def start(self) -> None:
        await self._reflector.start()
        self._tasks.spawn(self._first(), "first")

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._reflector.stop()

    async def _first(self) -> None:
        await self._reflector.wait_synced()
        self._judge()

    def _changed(self, change: Change[Secret]) -> None:
        self._secret = change.after
        self._judge()

    def _judge(self) -> None:
        before, self.state, self.reason = self.state, *self._standing()
        if self.state is before:
            return
        if self.state is not SecretState.SAME:
            _log.error("the root's Secret is not what it was", state=str(self.state), error=self.reason)
            self._on_trouble(self.state, self.reason)
        elif before is not SecretState.UNKNOWN:
            _log.info("the root's Secret is again what it was", secret=self._place)

    def _standing(self) -> tuple[SecretState, str]:
        if self._secret is None:
            return SecretState.DELETED, (
                f"{self._place} is gone. This Citadel signs on with the root that it has loaded, but one that starts now "
                "makes a new root, which no running workload trusts: put the Secret back"
            )
        try:
            # Judged as at the root's own beginning: that it expires is no change.
            found = read_root(decode_root(self._secret), self._loaded.certificate.not_valid_before_utc)
        except StartRefused as error:
            return SecretState.CHANGED, (
                f"{self._place} cannot be used any more: {error}. This Citadel signs on with the root that it has loaded, "
                "but none can start: put the Secret back"
            )
        if found.certificate == self._loaded.certificate:
            return SecretState.SAME, ""
        return SecretState.CHANGED, (
            f"{self._place} holds another root than this Citadel has loaded and signs on with. One that starts now takes "
            "the other, which running workloads do not trust: put the Secret back"
        )
