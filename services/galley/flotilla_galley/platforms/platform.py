"""What a platform gives to Galley."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flotilla_galley.publisher import Source
from flotilla_galley.sources.further import FurtherSource
from flotilla_galley.sources.waiting import GradualSource, all_synced, what_is_missing
from flotilla_galley.sources.watching import Named
from flotilla_galley.status.service import Taking
from flotilla_shared.runtime.lifecycle import Lifecycle

Topics = dict[str, Callable[..., object]]


@dataclass(frozen=True)
class Sources:
    """`watched` are files that tell of changes, `told` hears of which; `gradual` must be whole before anything is read."""

    objects: Source
    mesh: Source
    further: Sequence[FurtherSource] = ()
    watched: Sequence[Path] = ()
    told: Callable[[Named], None] = lambda named: None
    on_loaded: Callable[[], None] = lambda: None
    on_read: Callable[[], None] = lambda: None
    gradual: Sequence[GradualSource] = ()

    async def begun(self) -> None:
        """Return when everything can be read as a whole."""
        await all_synced(self.gradual)

    def missing(self) -> str:
        """What that waits for."""
        return what_is_missing(self.gradual)


class Platform(Protocol):
    """`sources` for the publisher, and what is started before and after it; `taking` is whether reports are."""

    sources: Sources
    taking: Taking

    def add_before(self, lifecycle: Lifecycle) -> None: ...

    def add_after(self, lifecycle: Lifecycle) -> None: ...

    def topics(self) -> Topics: ...
