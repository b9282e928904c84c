"""Reports: from the bags of one message to one call of each handler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla_mixer.configuration.instances import Instance
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.table import NamespaceTable, Target
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import ReportBatch

Bag = Mapping[str, object]
Rows = dict[str, tuple[Instance, list[Any]]]


class ReportDispatcher:
    """Hands reports on. Nothing is awaited: handlers take batches and see to the rest themselves."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def dispatch(self, table: NamespaceTable, bags: Iterable[Bag]) -> None:
        """Report the bags of one reporter, which all concern its namespace."""
        found: dict[int, tuple[BuiltHandler, Rows]] = {}
        groups = table.report
        for bag in bags:
            shared: dict[int, Any] = {}
            for group in groups:
                if self._failures.holds(group, bag):
                    for target in group.targets:
                        rows = found.setdefault(id(target.handler), (target.handler, {}))[1]
                        self._collect(target, bag, rows, shared)
        for built, rows in found.values():
            self._hand_over(built, rows)

    def _collect(self, target: Target, bag: Bag, rows: Rows, shared: dict[int, Any]) -> None:
        """Add the rows of one bag. `shared` holds what the instances of this bag have in common, worked out once."""
        for instance in target.instances:
            maps = instance.maps
            try:
                common = shared.get(id(maps))
                if common is None:
                    common = shared[id(maps)] = maps(bag)
                row = instance.fields(bag) + common
            except EvaluationError as error:
                self._failures.row(instance.spec.name, error)
                continue
            name = instance.spec.name
            if name not in rows:
                rows[name] = (instance, [])
            rows[name][1].append(row)

    def _hand_over(self, built: BuiltHandler, rows: Rows) -> None:
        batches = [ReportBatch(instance.spec, each) for instance, each in rows.values()]
        try:
            built.handler.report(batches)  # type: ignore[attr-defined]  # its adapter says that it has it
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not take the others' reports
            self._failures.handler(built.config.name, error)
