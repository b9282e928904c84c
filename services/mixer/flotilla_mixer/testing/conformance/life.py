"""An adapter's life: built, called, closed, closed again, and nothing left."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from flotilla_mixer.kit.environment import HandlerClosed
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.templates.template import Variety
from flotilla_mixer.testing.conformance.case import METHODS, AdapterCase, Played

PATIENCE_SECONDS = 5.0
KEPT_FILES = ("anon_inode:",)  # of event loops, gRPC's own among them, which lives as long as the process
KINDS = {Variety.CHECK: CheckResult, Variety.QUOTA: QuotaResult, Variety.ATTRIBUTE_GENERATOR: dict}


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Tasks, threads and open files are the same before and after; what is ending has a moment."""
    before = _held()
    yield
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while _held() - before:  # noqa: ASYNC110  # nobody says when a thread has ended
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"left behind: {_held() - before}")


def _held() -> set[Any]:
    files = {("file", number, _target(number)) for number in os.listdir("/proc/self/fd")}
    threads = {("thread", thread.name) for thread in threading.enumerate() if _counts(thread)}
    tasks = {("task", task.get_name()) for task in asyncio.all_tasks()}
    return {each for each in files if each[2] and not each[2].startswith(KEPT_FILES)} | threads | tasks


def _counts(thread: threading.Thread) -> bool:
    """Those of the event loop's own pool stay as long as the loop."""
    return not thread.daemon and not thread.name.startswith("asyncio_")


def _target(number: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return ""  # the one of the listing itself


async def answered(played: Played, number: int) -> None:
    """Until so many calls have their answers."""
    async with asyncio.timeout(PATIENCE_SECONDS * 2):
        while len(played.answers) < number:  # noqa: ASYNC110  # answers come by a plain call
            await asyncio.sleep(0.005)


class Life:
    """Part of the suite."""

    def test_its_defaults_are_new_each_time_and_its_parameters_are_valid(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        assert adapter.defaults() is not adapter.defaults()
        assert list(adapter.validate(case.read(adapter), case.instances)) == []

    def test_its_rows_are_of_every_template(self, case: AdapterCase) -> None:
        templates = {spec.template.name for spec in case.instances}
        assert templates == case.adapter().templates, "the case has an instance of each template, with rows"
        assert all(case.rows.values())

    async def test_it_is_built_and_closed_twice_over(self, case: AdapterCase) -> None:
        async with nothing_left():
            first, second = Played(case), Played(case)
            await first.close(0)
            await first.close(0)
            await second.close(0)

    async def test_it_has_the_methods_of_its_templates_and_an_empty_batch_is_no_matter(self, case: AdapterCase) -> None:
        async with nothing_left():
            played = Played(case)
            for spec in case.instances:
                getattr(played.handler, METHODS[spec.template.variety])([])
            await played.close(0)

    async def test_every_call_is_answered_with_what_its_template_wants(self, case: AdapterCase) -> None:
        """A handler whose backend is away may say that it cannot."""
        async with nothing_left():
            for spec, rows in case.rows.items():
                played = Played(case)
                await answered(played, played.call(spec, rows))
                wanted = KINDS.get(spec.template.variety)
                assert all(isinstance(each, (wanted, str)) for each in played.answers if wanted), played.answers
                await played.close(0)

    async def test_it_is_closed_while_calls_are_open(self, case: AdapterCase) -> None:
        async with nothing_left():
            for spec, rows in case.rows.items():
                played = Played(case)
                wanted = played.call(spec, rows)
                await played.close(0)
                await asyncio.sleep(0)
                assert len(played.answers) == wanted, "a call is answered when its handler ends"

    async def test_what_comes_after_its_end_is_answered_or_refused(self, case: AdapterCase) -> None:
        async with nothing_left():
            for spec, rows in case.rows.items():
                played = Played(case)
                await played.close(0)
                try:
                    await answered(played, played.call(spec, rows))
                except (ValueError, HandlerClosed):
                    continue
                await played.close(0)

    async def test_what_it_is_offered_is_counted(self, case: AdapterCase) -> None:
        async with nothing_left():
            for spec, rows in case.rows.items():
                played = Played(case)
                played.call(spec, rows)
                await played.close(0)
                assert played.background.counted("waiting") == {}
                assert played.background.counted("daemons") == played.background.counted("workers") == {}
