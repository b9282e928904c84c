"""What an adapter says of its backend, for outages: a module in `services/mixer/tests/counterparts` with a COUNTERPART."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

INSTANCE = "entry.instance.istio-system"
"""The full name of the only instance: what parameters call it by."""
HANDLER = "far.handler.istio-system"


class Way(StrEnum):
    """How entries come to the backend."""

    PUSHED = "pushed"  # by the kit's Delivery: sent + dropped + waiting = given
    PULLED = "pulled"  # the backend fetches sums: nothing is dropped, and nothing is lost for long
    ASKED = "asked"  # a quota's backend: each call is answered by it, or without it and counted as dropped


class Counterpart(ABC):
    """A backend that is started, stopped and started again at one place. Made with a folder of its own. One that is written
    in Python runs in a process of its own (served.py).

    `start`, `stop`, `hold` and `received` block; one thread calls them all, and lives until after the last `stop`. `start`
    returns when entries are taken, skips (pytest.skip) where the program is missing,
    and raises RuntimeError with the program's words where it does not come up.
    """

    adapter: ClassVar[str]
    template: ClassVar[str]
    way: ClassVar[Way] = Way.PUSHED
    acknowledges: ClassVar[bool] = True
    """The backend says what it has taken: what counts as sent has been received, at least once."""
    most_waiting: ClassVar[int] = 20_000
    """Entries that the handler may keep: the bound of its Delivery."""
    holds: ClassVar[bool] = False
    """`hold` works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None:
        """It is away: connections are refused, or datagrams. What it has taken is still known to `received`. Safe twice."""

    @abstractmethod
    def received(self) -> int:
        """Entries that it has taken in its whole life; never less than before. Of quotas: calls that it has answered."""

    @abstractmethod
    def params(self) -> Mapping[str, Any]:
        """The handler's parameters, the backend's address among them; asked before `start`."""

    @abstractmethod
    def instance(self) -> Mapping[str, Any]:
        """The instance's parameters: one entry of a report (outages/entries.py) is one entry of the backend."""

    def settings(self) -> Mapping[str, Any]:
        """Settings of Mixer that it needs beside the usual."""
        return {}

    def close(self) -> None:  # noqa: B027  # most have nothing
        """It is over: what is left of it ends, such as a process that knows what was received."""

    def hold(self, held: bool) -> None:
        """While it is held it takes connections and answers nobody."""
        raise NotImplementedError


def counterparts(folder: Path) -> dict[str, type[Counterpart]]:
    """Those of a folder of modules, by the names of the modules."""
    return {file.stem: _load(file) for file in sorted(folder.glob("*.py")) if file.stem != "__init__"}


def _load(file: Path) -> type[Counterpart]:
    spec = importlib.util.spec_from_file_location(f"mixer_counterpart_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[Counterpart] = module.COUNTERPART
    return found
