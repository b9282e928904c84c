"""Reports of those who use configuration, by reporter and object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flotilla_protos.flotilla.status.v1.status_pb2 import ObjectStatus, StatusReport
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.streams.status import key_of

MAX_OBJECTS = 200_000


class ReportRefused(ValueError):
    """A report cannot be taken; the text says why."""


class StatusBoard:
    """A StatusReceiver. The newest word of each reporter on each object; a full report replaces all of it."""

    def __init__(self) -> None:
        self._by_reporter: dict[str, dict[ObjectKey, ObjectStatus]] = {}
        self._subscribers: list[Callable[[Iterable[ObjectKey]], None]] = []

    def subscribe(self, callback: Callable[[Iterable[ObjectKey]], None]) -> Callable[[], None]:
        """Call back with the objects that a report speaks of; gives the function that ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def receive(self, report: StatusReport, caller: str) -> None:
        """Take a report. Raises ReportRefused."""
        if not report.reporter:
            raise ReportRefused("the report does not say who reports")
        if len(report.objects) > MAX_OBJECTS:
            raise ReportRefused(f"the report has {len(report.objects)} objects; at most {MAX_OBJECTS} are taken")
        before = self._by_reporter.setdefault(report.reporter, {})
        held = {} if report.full else before
        concerned = {key_of(status) for status in report.objects} | (set(before) if report.full else set())
        for status in report.objects:
            if status.removed:
                held.pop(key_of(status), None)
            else:
                held[key_of(status)] = status
        self._by_reporter[report.reporter] = held
        for callback in list(self._subscribers):
            callback(concerned)

    def forget(self, reporter: str) -> None:
        """The reporter's stream has ended: what it said last is no longer known to be so."""
        self._by_reporter.pop(reporter, None)

    @property
    def reporters(self) -> list[str]:
        return sorted(self._by_reporter)

    def of(self, key: ObjectKey) -> dict[str, Mapping[str, object]]:
        """What each reporter says of an object; several replicas of a service are added up under its name."""
        found: dict[str, Mapping[str, object]] = {}
        for reporter, held in sorted(self._by_reporter.items()):
            status = held.get(key)
            if status is not None:
                service = reporter.partition("/")[0]
                found[service] = _joined(found.get(service), _view(status))
        return found


def _view(status: ObjectStatus) -> dict[str, object]:
    return {
        "version": status.version,
        "accepted": status.accepted,
        "problems": [{"code": each.code, "field": each.field, "text": each.text} for each in status.problems],
        "proxies_concerned": status.proxies_concerned,
        "proxies_acknowledged": status.proxies_acknowledged,
        "proxies_rejected": status.proxies_rejected,
    }


def _joined(before: Mapping[str, object] | None, view: dict[str, object]) -> Mapping[str, object]:
    if before is None:
        return view
    joined = dict(view)
    for count in ("proxies_concerned", "proxies_acknowledged", "proxies_rejected"):
        joined[count] = int(str(before[count])) + int(str(view[count]))
    joined["accepted"] = bool(before["accepted"]) and bool(view["accepted"])
    return joined
