"""Reports: from the bags of one message to one call of each handler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flotilla_mixer.configuration.instances import Instance
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.generate import Generation
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.table import DispatchTable, Target
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import ReportBatch

Bag = Mapping[str, object]
Rows = dict[str, tuple[Instance, list[Any]]]
Done = Callable[[list[str]], None]


class ReportDispatcher:
    """Hands reports on: handlers take batches and see to the rest themselves."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures

    def dispatch(
        self,
        table: DispatchTable,
        bags: Iterable[Bag],
        namespace: Callable[[Bag], str],
        done: Done | None = None,
    ) -> None:
        """Report the bags of one message. `namespace` says whose rules hold for a bag; `done` hears what went wrong,
        perhaps before this returns.
        """
        report = _Report(table, self._failures, namespace, done)
        for bag in bags:
            report.add(bag)
        report.arrived()


class _Report:
    """One message under way. It ends when every generator has answered for every bag."""

    def __init__(
        self, table: DispatchTable, failures: Failures, namespace: Callable[[Bag], str], done: Done | None
    ) -> None:
        self._table = table
        self._failures = failures
        self._namespace = namespace
        self._finished = done
        self._found: dict[int, tuple[BuiltHandler, Rows]] = {}
        self._wrong: list[str] = []
        self._waiting = 1
        table.call_opens()

    def add(self, bag: Bag) -> None:
        generate = self._table.of(self._namespace(bag)).generate
        if not generate:
            self._collect_all(bag)
            return
        self._waiting += 1
        Generation(bag, self._failures, self._generated).run(generate)

    def _generated(self, outcome: Bag | str) -> None:
        if isinstance(outcome, str):
            self._wrong.append(f"preprocessing attributes failed: {outcome}")
        else:
            self._collect_all(outcome)
        self.arrived()

    def arrived(self) -> None:
        self._waiting -= 1
        if self._waiting:
            return
        for built, rows in self._found.values():
            if rows:  # none where no instance could be made
                self._hand_over(built, rows)
        self._table.call_ends()
        if self._finished is not None:
            self._finished(self._wrong)

    def _collect_all(self, bag: Bag) -> None:
        shared: dict[int, Any] = {}
        destinations = instances = 0
        for group in self._table.of(self._namespace(bag)).report:
            if self._failures.holds(group, bag):
                destinations += len(group.targets)
                instances += group.instances
                for target in group.targets:
                    rows = self._found.setdefault(id(target.handler), (target.handler, {}))[1]
                    self._collect(target, bag, rows, shared)
        self._failures.request(destinations, instances)

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
                self._wrong.append(self._failures.row(instance.spec.name, error))
                continue
            name = instance.spec.name
            if name not in rows:
                rows[name] = (instance, [])
            rows[name][1].append(row)

    def _hand_over(self, built: BuiltHandler, rows: Rows) -> None:
        batches = [ReportBatch(instance.spec, each) for instance, each in rows.values()]
        try:
            built.handler.report(batches)
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not take the others' reports
            self._wrong.append(self._failures.handler(built.config.name, error))
