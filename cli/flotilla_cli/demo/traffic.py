"""Someone who looks at the page all the while, so that a failed request cannot go unnoticed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx

PAUSE_SECONDS = 0.05
MISSING = re.compile(r"Error fetching product (\w+)")


class Traffic:
    """Asks for a URL again and again, in a thread of its own, while the `with` block runs."""

    def __init__(self, url: str, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._url = url
        self._pause = pause_seconds
        self._stop = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._asking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._answered = 0
        self.failures: list[str] = []  # what was answered instead of 200, with the time

    @property
    def answered(self) -> int:
        """Requests that were answered 200 so far."""
        return self._answered

    def wait_for_more(self, count: int, seconds: float = 30.0) -> bool:
        """Waits for so many more good answers; False if they did not come in time."""
        goal, end = self._answered + count, time.monotonic() + seconds
        while self._answered < goal and time.monotonic() < end:
            time.sleep(self._pause)
        return self._answered >= goal

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nobody asks while the block runs: for what is to fail."""
        self._going.clear()
        with self._asking:  # the request that is under way ends first
            pass
        try:
            yield
        finally:
            self._going.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._going.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10.0) as client:
            while not self._stop.is_set():
                self._going.wait()
                with self._asking:
                    if self._going.is_set():
                        self._ask(client)
                self._stop.wait(self._pause)

    def _ask(self, client: httpx.Client) -> None:
        try:
            response = client.get(self._url)
            # The page is 200 whatever its neighbours do, and says in its text what it misses.
            missing = "".join(f" without {part}" for part in MISSING.findall(response.text))
            good = response.status_code == 200 and not missing
            what = f"{response.status_code}{missing} after {response.elapsed.total_seconds():.1f} s"
        except httpx.HTTPError as error:
            good, what = False, f"{type(error).__name__}: {error}"
        if good:
            self._answered += 1
        else:
            self.failures.append(f"{time.strftime('%H:%M:%S')} {what}")
