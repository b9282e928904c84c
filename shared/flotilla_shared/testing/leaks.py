"""A pytest plugin: a test that leaves a task, a thread, a file or a socket behind fails.

Loaded by the project's pytest options. Tasks are those that the test's event loop had to cancel when it closed.
Threads and descriptors are compared before the test's fixtures and after them; a test that is the first to
use a wider fixture is not compared, since that fixture's own are rightly still there.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from asyncio import runners
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 1.0
# Threads that libraries keep for the process's life.
KEPT_THREADS = ("grpc", "asyncio_", "AnyIO", "_poller", "ThreadPoolExecutor", "pytest_timeout", "watchfiles")
UNWATCHED = ("/dev/", "/proc/", "anon_inode:", "pipe:", "/memfd:")

_leaked_tasks: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Note which tasks an event loop still has when its runner closes it."""
    cancel_all = runners._cancel_all_tasks  # type: ignore[attr-defined]

    def noting(loop: asyncio.AbstractEventLoop) -> None:
        _let_calls_end(loop)
        _leaked_tasks.extend(_describe(task) for task in asyncio.all_tasks(loop))
        cancel_all(loop)

    runners._cancel_all_tasks = noting  # type: ignore[attr-defined]
    config.add_cleanup(lambda: setattr(runners, "_cancel_all_tasks", cancel_all))


def _let_calls_end(loop: asyncio.AbstractEventLoop) -> None:
    """A call's client may have its answer, and its server be stopped, a moment before gRPC's own threads let go of the call."""
    calls = {task for task in asyncio.all_tasks(loop) if type(task.get_coro()).__module__.startswith("_cython")}
    if calls:
        loop.run_until_complete(asyncio.wait(calls, timeout=PATIENCE_SECONDS))


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end: the collector need not look at it again after every one."""
    gc.collect()
    gc.freeze()


def _describe(task: asyncio.Task[Any]) -> str:
    return f"task {task.get_name()} ({task.get_coro()!r})"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    _leaked_tasks.clear()
    # Tests of the whole mesh share its client, whose connections stay open between them.
    compared = not _makes_wider_fixtures(item) and item.get_closest_marker("mesh") is None
    item.stash[_BEFORE] = (_threads(), _descriptors()) if compared else None
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    result = yield
    before = item.stash.get(_BEFORE, None)
    leaked = list(_leaked_tasks)
    _leaked_tasks.clear()
    if before is not None and nextitem is not None:
        leaked += _left_behind(*before)
    if leaked:
        pytest.fail("the test leaves behind: " + "; ".join(leaked), pytrace=False)
    return result


_BEFORE = pytest.StashKey[tuple[set[threading.Thread], dict[str, str]] | None]()


def _makes_wider_fixtures(item: pytest.Item) -> bool:
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    latest = [found[-1] for found in definitions.values() if found]
    return any(each.scope != "function" and each.cached_result is None for each in latest)


def _left_behind(threads: set[threading.Thread], descriptors: dict[str, str]) -> list[str]:
    """What is there now and was not before; closing may take a moment (gRPC closes from its own threads)."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = [f"thread {thread.name}" for thread in _threads() - threads]
        found += [f"descriptor {what}" for fd, what in _descriptors().items() if descriptors.get(fd) != what]
        if not found or time.monotonic() > deadline:
            return found
        gc.collect()
        time.sleep(0.02)


def _threads() -> set[threading.Thread]:
    return {
        thread
        for thread in threading.enumerate()
        if not thread.daemon and not any(kept in thread.name for kept in KEPT_THREADS)
    } - {threading.main_thread()}


def _descriptors() -> dict[str, str]:
    """Descriptor -> file, or internet socket that listens or is connected."""
    found: dict[str, str] = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if not target.startswith(UNWATCHED):
            found[fd] = target
    if any(target.startswith("socket:") for target in found.values()):
        internet = _internet_sockets()
        found = {fd: what for fd, what in found.items() if not what.startswith("socket:") or what in internet}
    return found


def _internet_sockets() -> set[str]:
    """`socket:[inode]` of every TCP socket in use; closed and half-closed ones do not count."""
    live = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] in ("01", "0A"):  # ESTABLISHED, LISTEN
                live.add(f"socket:[{fields[9]}]")
    return live
