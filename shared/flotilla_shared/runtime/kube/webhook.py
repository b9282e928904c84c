"""The caBundle of a webhook configuration: what the API server trusts when it calls us.

Nothing else of the configuration is touched; failurePolicy, rules and selectors are its owner's.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

from flotilla_shared.runtime.backoff import Backoff
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import KubeError
from flotilla_shared.runtime.kube.metrics import NO_METRICS, KubeMetrics
from flotilla_shared.runtime.kube.objects import WebhookConfiguration
from flotilla_shared.runtime.kube.reflector import Change, Reflector
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

LOOK_SECONDS = 20.0

_log = get_logger(__name__)


class CaBundlePatcher:
    """Component. Keeps the caBundle of every webhook of one configuration equal to `root()`, PEM bytes.

    Looks when the configuration changes, when `root_changed` is called, and every 20 s. An empty root patches nothing:
    there is none yet. `on_patched(ok)` hears of every try, `on_looked(found)` of every look at the configuration. `state`
    says how it is, for people.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        configuration_name: str,
        root: Callable[[], bytes],
        *,
        on_patched: Callable[[bool], None] = lambda ok: None,
        on_looked: Callable[[bool], None] = lambda found: None,
        metrics: KubeMetrics = NO_METRICS,
        backoff: Backoff | None = None,
    ) -> None:
        self.state = "not looked at yet"
        self._client = client
        self._resource = resource
        self._name = configuration_name
        self._root = root
        self._on_patched = on_patched
        self._on_looked = on_looked
        self._backoff = backoff or Backoff(first=0.5, cap=30.0)
        self._look = asyncio.Event()
        self._tasks = Tasks(f"caBundle:{configuration_name}")
        self._reflector = Reflector(
            client,
            resource,
            WebhookConfiguration,
            field_selector=f"metadata.name={configuration_name}",
            on_change=self._changed,
            metrics=metrics,
        )

    @property
    def current(self) -> bool:
        """Whether the API server trusts our root, as far as is known."""
        return self.state == "current"

    @property
    def configuration(self) -> WebhookConfiguration | None:
        """As it is now; None where there is none."""
        return self._reflector.objects.get(("", self._name))

    def root_changed(self) -> None:
        """Look now."""
        self._look.set()

    async def start(self) -> None:
        """Begin; returns at once."""
        await self._reflector.start()
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._reflector.stop()

    def _changed(self, change: Change[WebhookConfiguration]) -> None:
        self._look.set()

    async def _keep(self) -> None:
        await self._reflector.wait_synced()
        while True:
            self._look.clear()
            wait = LOOK_SECONDS
            try:
                if await self._reconcile():
                    self._backoff.reset()
            except KubeError as error:
                self._failed(error)
                wait = self._backoff.next()
            try:
                async with asyncio.timeout(wait):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def _reconcile(self) -> bool:
        """Patch where it differs; whether all is as it should be. Raises KubeError."""
        root = self._root()
        found = self.configuration
        self._on_looked(found is not None)
        if not root:
            self.state = "there is no root certificate yet"
            return False
        if found is None:
            self.state = f"there is no {self._resource.kind} {self._name}"
            return False
        wanted = base64.b64encode(root).decode()
        stale = [number for number, each in enumerate(found.webhooks) if each.client_config.ca_bundle != wanted]
        if stale:
            await self._patch(found.metadata.resource_version, stale, wanted)
            self._on_patched(True)
            _log.info("caBundle patched", configuration=self._name, webhooks=len(stale))
        self.state = "current"
        return True

    async def _patch(self, version: str, numbers: list[int], bundle: str) -> None:
        """By place in the list, and so only while the object is the one that was looked at."""
        operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
        operations += [
            {"op": "add", "path": f"/webhooks/{number}/clientConfig/caBundle", "value": bundle} for number in numbers
        ]
        await self._client.patch(self._resource.path(name=self._name), operations, "json")

    def _failed(self, error: KubeError) -> None:
        state = f"not patched: {error}"
        if state != self.state:
            _log.warning("caBundle not patched", configuration=self._name, error=str(error))
        self.state = state
        self._on_patched(False)
