"""How a backend is told about: one that runs, and the lines that it speaks with the demo."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


class Backend(ABC):
    """Made with a folder of its own and Mixer's address; runs from `start` to `stop`."""

    services: Sequence[str] = ("productpage", "details", "reviews", "ratings")
    """Whose calls it is told of."""

    def __init__(self, folder: Path, mixer: str) -> None:
        self.folder = folder
        self.mixer = mixer

    @abstractmethod
    def start(self) -> None:
        """Returns when it takes entries; skips, as tests do, where its program is missing."""

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def calls(self) -> Mapping[str, int]:
        """Calls that it has been told of, by called service."""

    def params(self) -> Mapping[str, Any]:
        """Parameters of the handler, in the place of those of its file."""
        return {}

    def environment(self) -> Mapping[str, str]:
        """Variables that Mixer needs, such as a cloud's credentials."""
        return {}

    def page(self) -> str:
        """Where a person sees what has arrived, if there is such a page."""
        return ""


def tell(kind: Callable[[Path, str], Backend]) -> None:
    """The whole of a module's main."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mixer", default="127.0.0.14", help="Mixer's address")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flotilla-backend-") as folder:
        backend = kind(Path(folder), given.mixer)
        try:
            backend.start()
        except BaseException as reason:  # noqa: BLE001  # pytest's way to skip is no Exception
            _say({"missing": str(reason) or type(reason).__name__})
            return
        try:
            _say(_told(backend))
            for _ in sys.stdin:
                _say(backend.calls())
        finally:
            backend.stop()


def _told(backend: Backend) -> Mapping[str, Any]:
    return {
        "params": backend.params(),
        "environment": backend.environment(),
        "services": backend.services,
        "page": backend.page(),
    }


def _say(what: Mapping[str, Any]) -> None:
    print(json.dumps(what), flush=True)
