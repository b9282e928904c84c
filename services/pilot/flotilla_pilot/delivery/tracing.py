"""The hops of configuration objects on one stream: sent, acknowledged, rejected."""

from collections.abc import Mapping

from flotilla_pilot.compile.resource import SERVED
from flotilla_pilot.delivery.metrics import SHORT
from flotilla_pilot.delivery.watch import MAX_OUTSTANDING, Sent
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.runtime.trace import HopRecorder

REMOVED = ""
"""The version of an object that is gone."""

Versions = dict[ObjectKey, str]


class StreamTrace:
    """Records a hop a version of an object, type and proxy: once when first sent, once when answered."""

    def __init__(self, recorder: HopRecorder, proxy: str) -> None:
        self._recorder = recorder
        self._proxy = proxy
        self._told: dict[str, Versions] = {type_url: {} for type_url in SERVED}
        self._open: dict[str, Versions] = {}

    def sent(self, sent: Sent, objects: Mapping[ObjectKey, ConfigObject]) -> None:
        """A response is about to be written; `objects` are those of the snapshot that it comes from."""
        told = self._told[sent.type_url]
        carried: Versions = {}
        for each in sent.news.values():
            for key in each.depends_on:
                item = objects.get(key)
                if item is not None and told.get(key) != item.version:
                    carried[key] = item.version
        for each in sent.replaced.values():
            for key in each.depends_on:
                if key not in objects and told.get(key, REMOVED) != REMOVED:
                    carried[key] = REMOVED
        told.update(carried)
        if carried:
            self._open[sent.nonce] = carried
            while len(self._open) > MAX_OUTSTANDING * len(SERVED):
                del self._open[next(iter(self._open))]
            self._record("pilot.sent", sent, carried)

    def acknowledged(self, sent: Sent) -> None:
        self._record("pilot.acked", sent, self._open.pop(sent.nonce, {}))

    def rejected(self, sent: Sent) -> None:
        self._record("pilot.rejected", sent, self._open.pop(sent.nonce, {}))

    def _record(self, hop: str, sent: Sent, carried: Versions) -> None:
        for key, version in carried.items():
            self._recorder.record(hop, key, version, proxy=self._proxy, detail=SHORT[sent.type_url])
