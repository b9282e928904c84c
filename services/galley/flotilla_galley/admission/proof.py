"""failurePolicy Fail, but only once the API server has been seen to call the webhook: until then nobody is locked out.

Which webhooks of the configuration become Fail stands in its annotation, which is their author's (the chart writes it for
`galley.webhook.failurePolicy: Proven`). The proof is an object that the webhook always refuses, sent by dry run: where it is
refused in the webhook's own words, the way from the API server to here works, TLS included. It goes one way: whatever
fails later, Galley never makes a webhook Ignore.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flotilla_galley.admission.decide import ALWAYS_REJECT
from flotilla_shared.model.kinds import GATEWAYS, by_collection
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import KubeError, NotFound
from flotilla_shared.runtime.kube.objects import WebhookConfiguration
from flotilla_shared.runtime.kube.resources import VALIDATING_WEBHOOKS, Resource
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

FAIL_ONCE_CALLED = "flotilla.dev/fail-once-called"
REVISION = "istio.io/rev"
DENIED = "denied the request"
FAIL = "Fail"
LOOK_SECONDS = 5.0
PROOF = "istio-galley-webhook-proof"

_log = get_logger(__name__)


class FailOnceCalled:
    """Component. `configuration` gives the webhooks as they are, None where there are none; `trusted`, whether
    their caBundle is ours.

    `state` says how it is, for people.
    """

    def __init__(
        self,
        client: KubeClient,
        configuration: Callable[[], WebhookConfiguration | None],
        trusted: Callable[[], bool],
        namespace: str,
        revision: str,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.state = "not looked at yet"
        self._client = client
        self._configuration = configuration
        self._trusted = trusted
        self._namespace = namespace
        self._revision = revision
        self._look_seconds = look_seconds
        self._tasks = Tasks("failurePolicy")

    async def start(self) -> None:
        """Begin; returns at once."""
        self._tasks.spawn(self._keep(), "keep")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _keep(self) -> None:
        while True:
            try:
                self.state = await self._look()
            except KubeError as error:
                self.state = f"not proved: {error}"
            await asyncio.sleep(self._look_seconds)

    async def _look(self) -> str:
        """The state; raises KubeError."""
        found = self._configuration()
        open_still = _open(found) if found is not None else []
        if found is None or not open_still:
            return "as its author has it"
        if not self._trusted():
            return "not proved: the API server does not trust the webhook yet"
        if not await self._called():
            return "not proved: the API server does not call the webhook"
        await self._fail(found, open_still)
        _log.info("the webhook is called: it fails closed from now on", configuration=found.metadata.name)
        return "proved"

    async def _called(self) -> bool:
        kind = by_collection(GATEWAYS)
        assert kind is not None
        resource = Resource(kind.group, kind.versions[0], kind.plural, True, kind.kind)
        try:
            await self._client.create(resource.path(self._namespace), self._proof(resource), params={"dryRun": "All"})
        except NotFound:
            return False  # the kind is not defined: there is nothing to refuse
        except KubeError as error:
            if DENIED in str(error) and ALWAYS_REJECT in str(error):
                return True
            raise
        return False

    def _proof(self, resource: Resource) -> dict[str, Any]:
        """An object that is right in all else, so that nobody but the webhook of this revision refuses it."""
        server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
        metadata = {"name": PROOF, "labels": {REVISION: self._revision}, "annotations": {ALWAYS_REJECT: "true"}}
        names = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        return names | {"spec": {"selector": {"app": PROOF}, "servers": [server]}}

    async def _fail(self, found: WebhookConfiguration, numbers: list[int]) -> None:
        """By place in the list, and so only while the object is the one that was looked at."""
        version = found.metadata.resource_version
        operations: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
        operations += [{"op": "add", "path": f"/webhooks/{each}/failurePolicy", "value": FAIL} for each in numbers]
        await self._client.patch(VALIDATING_WEBHOOKS.path(name=found.metadata.name), operations, "json")


def _open(found: WebhookConfiguration) -> list[int]:
    """The places of the webhooks that are to fail and do not yet."""
    wanted = {name.strip() for name in found.metadata.annotations.get(FAIL_ONCE_CALLED, "").split(",")}
    return [
        number
        for number, each in enumerate(found.webhooks)
        if each.name in wanted and each.name and each.failure_policy != FAIL
    ]
