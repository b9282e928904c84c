"""The tap: whoever listens sees Checks and reports as they pass, as far as he keeps up.

Where nobody listens a call pays for one look at `open`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.attributes.request import ABSENT, SIDES, RequestBag
from flotilla_mixer.debug.secrets import masked
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.plain import plain_bag
from flotilla_mixer.explain.recording import check_result
from flotilla_mixer.explain.rules import CHECKED, REPORTED, rules_that_hold
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.kit.results import CheckResult
from flotilla_shared.model.expressions import ExpressionError, ValueType, check, parse

MOST_LISTENERS = 8
KEPT_LINES = 256  # of a listener that does not read as fast as lines come
MOST_A_SECOND = 100  # shown to one listener, unless it asks for fewer or more
HIGHEST_RATE = 1000
SEEN_A_SECOND = 2000  # looked at for all listeners together
ALIVE_SECONDS = 5.0
TOO_MANY = f"{MOST_LISTENERS} listen already; end one of them first."
KINDS = ("check", "report")

Bag = Mapping[str, object]


class FilterError(ValueError):
    """What was asked for is no filter; the text is one sentence."""


class TooManyListeners(Exception):
    """Nobody else may listen now."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listener wants to see; empty fields want everything. `workload` is a name of either end of a call, `rule` a
    rule that must hold, as `name` or `namespace/name`.
    """

    namespace: str = ""
    workload: str = ""
    rule: str = ""
    kind: str = ""
    match: Callable[[Bag], object] | None = None
    rate: int = MOST_A_SECOND

    @classmethod
    def read(cls, query: Mapping[str, str], vocabulary: Mapping[str, ValueType]) -> Filter:
        """Raises FilterError."""
        unknown = sorted(query.keys() - {"namespace", "workload", "rule", "kind", "match", "rate"})
        if unknown:
            raise FilterError(
                f"there is no filter {unknown[0]!r}; there are namespace, workload, rule, kind, match, rate."
            )
        kind = query.get("kind", "")
        if kind not in ("", *KINDS):
            raise FilterError(f"kind is check or report, not {kind!r}.")
        return cls(
            query.get("namespace", ""),
            query.get("workload", ""),
            query.get("rule", ""),
            kind,
            _condition(query.get("match", ""), vocabulary),
            _rate(query.get("rate", "")),
        )

    def wants(self, line: Mapping[str, Any], bag: Bag) -> bool:
        if self.kind not in ("", line["kind"]) or not _named(self.rule, line["rules"]):
            return False
        if self.namespace not in ("", line["namespace"], bag.get("source.namespace"), bag.get("destination.namespace")):
            return False
        if self.workload and self.workload not in _workloads(bag):
            return False
        try:
            return self.match is None or self.match(bag) is True
        except EvaluationError:
            return False


def _condition(text: str, vocabulary: Mapping[str, ValueType]) -> Callable[[Bag], object] | None:
    if not text.strip():
        return None
    try:
        tree = parse(text)
        kind = check(tree, vocabulary)
        if kind is not ValueType.BOOL:
            raise ExpressionError(f"it is {kind}, and a match must be {ValueType.BOOL}")
        return compile_expression(tree, vocabulary)
    except ExpressionError as error:
        raise FilterError(f"match: {error}.") from error


def _rate(text: str) -> int:
    if not text:
        return MOST_A_SECOND
    if not text.isascii() or not text.isdecimal() or len(text) > 6 or not 1 <= int(text) <= HIGHEST_RATE:
        raise FilterError(f"rate is a whole number from 1 to {HIGHEST_RATE}: lines a second.")
    return int(text)


def _named(rule: str, holding: Iterable[str]) -> bool:
    return not rule or any(rule in (name, name.rpartition("/")[2]) for name in holding)


def _workloads(bag: Bag) -> set[object]:
    return {bag.get(f"{side}.{name}") for side in ("source", "destination") for name in ("workload.name", "name")}


class Listener:
    """One who listens. What it does not read in time is lost, counted, and told with the next line."""

    def __init__(self, wanted: Filter, clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted = wanted
        self._clock = clock
        self._lines: deque[dict[str, Any]] = deque()
        self._there = asyncio.Event()
        self._closed = False
        self._second, self._shown = 0, 0
        self.lost = 0

    def offer(self, line: dict[str, Any]) -> None:
        second = int(self._clock())
        if second != self._second:
            self._second, self._shown = second, 0
        self._shown += 1
        if self._shown > self.wanted.rate or len(self._lines) >= KEPT_LINES:
            self.lost += 1
            return
        self._lines.append(line)
        self._there.set()

    def miss(self) -> None:
        """One passed that was not looked at."""
        self.lost += 1

    def close(self) -> None:
        self._closed = True
        self._there.set()

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Lines as they come; in quiet times one that only says that it is quiet. `lost` is what was not shown since
        the line before.
        """
        while True:
            try:
                async with asyncio.timeout(ALIVE_SECONDS):
                    await self._there.wait()
            except TimeoutError:
                yield self._with_lost({"kind": "alive"})
                continue
            while self._lines:
                yield self._with_lost(self._lines.popleft())
            if self._closed:
                return
            self._there.clear()

    def _with_lost(self, line: dict[str, Any]) -> dict[str, Any]:
        lost, self.lost = self.lost, 0
        return line | {"lost": lost} if lost else line


class Tap:
    """Component. On the loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.open = False
        self._clock = clock
        self._listeners: list[Listener] = []
        self._second, self._seen = 0, 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        """Every listener's lines end."""
        for listener in self._listeners:
            listener.close()

    def listen(self, wanted: Filter) -> Listener:
        """Raises TooManyListeners. Whoever listens leaves in the end."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooManyListeners
        listener = Listener(wanted)
        self._listeners.append(listener)
        self.open = True
        return listener

    def leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        self.open = bool(self._listeners)

    def check(self, table: DispatchTable, namespace: str, bag: Bag, outcome: CheckResult | str) -> None:
        """A Check was decided. Call it only while `open`."""
        if self._has_room():
            verdict = {"error": outcome} if isinstance(outcome, str) else check_result(outcome)
            self._offer("check", table, namespace, content_of(bag), {"verdict": verdict})

    def report(self, table: DispatchTable, namespace: str, bag: Bag) -> None:
        """A bag is reported. Call it only while `open`."""
        if self._has_room():
            self._offer("report", table, namespace, content_of(bag), {})

    def reports(self, table: DispatchTable, namespace: Callable[[Bag], str], bags: Iterable[Bag]) -> Iterator[Bag]:
        """The same bags, seen on their way."""
        for bag in bags:
            if self.open:
                self.report(table, namespace(bag), bag)
            yield bag

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._seen = second, 0
        self._seen += 1
        if self._seen <= SEEN_A_SECOND:
            return True
        for listener in self._listeners:
            listener.miss()
        return False

    def _offer(self, kind: str, table: DispatchTable, namespace: str, bag: Bag, more: dict[str, Any]) -> None:
        line: dict[str, Any] = {"kind": kind, "at": time.time(), "namespace": namespace}
        varieties = CHECKED if kind == "check" else REPORTED
        line |= more | {"rules": rules_that_hold(table, namespace, bag, varieties)}
        attributes: dict[str, Any] | None = None
        for listener in self._listeners:
            if listener.wanted.wants(line, bag):
                if attributes is None:
                    attributes = masked(plain_bag(bag))
                listener.offer(line | {"attributes": attributes})


def content_of(bag: Bag) -> dict[str, object]:
    """A bag's content, of whatever types; nothing is remembered as asked."""
    if not isinstance(bag, RequestBag):
        return {name: dict.__getitem__(bag, name) for name in bag} if isinstance(bag, dict) else dict(bag)
    said = {name: value for name in bag if (value := bag.peek(name)) is not ABSENT}
    if bag.sides is not None:
        said = {name: value for name, value in said.items() if not name.startswith(SIDES)} | dict(bag.sides)
    return {**bag.generated, **said}
