"""A handler whose calls are counted and timed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from flotilla_mixer.configuration.handlers import HandlerConfig
from flotilla_mixer.kit.adapter import CheckCall, GenerateCall, Handler, HandlerCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.dispatches import DispatchCounts, Dispatches


class CountedHandler:
    """Has the methods of every variety; those that its adapter does not have are never called."""

    def __init__(self, handler: Handler, config: HandlerConfig, counts: DispatchCounts) -> None:
        self.inner: Any = handler
        self._of: dict[str, Dispatches] = {
            spec.template.name: counts.of(spec.template.name, config.display, config.adapter.name)
            for spec in config.instances
        }

    def check(self, calls: Sequence[CheckCall]) -> None:
        self._asked(self.inner.check, calls)

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        self._asked(self.inner.quota, calls)

    def generate(self, calls: Sequence[GenerateCall]) -> None:
        self._asked(self.inner.generate, calls)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """One call for each template, as 1.4 made them."""
        templates = {batch.instance.template.name for batch in batches}
        began, failed = time.perf_counter(), True
        try:
            self.inner.report(batches)
            failed = False
        finally:
            seconds = (time.perf_counter() - began) / len(templates)
            for template in templates:
                self._of[template].add(failed, seconds)

    def close(self) -> Awaitable[None] | None:
        found: Awaitable[None] | None = self.inner.close()
        return found

    def _asked(self, ask: Callable[[Sequence[Any]], None], calls: Sequence[HandlerCall[Any]]) -> None:
        """Calls that were answered share the time of the batch; the others are counted when they are answered."""
        began = time.perf_counter()
        try:
            ask(calls)
        finally:
            seconds = (time.perf_counter() - began) / len(calls)
            for call in calls:
                found = self._of[call.instance.template.name]
                if call.waits:
                    call.after = partial(_later, found, began)
                else:
                    found.add(call.failed, seconds)


def _later(found: Dispatches, began: float, failed: bool) -> None:
    found.add(failed, time.perf_counter() - began)
