"""A folder of files that is moved away and back: there is no backend but the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.outages.counterpart import Counterpart


class Stdio(Counterpart):
    adapter, template = "stdio", "logentry"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._logs, self._away = folder / "logs", folder / "away"
        self._lines = self._bytes = 0
        self._logs.mkdir()

    def start(self) -> None:
        if self._away.exists():
            self._away.rename(self._logs)

    def stop(self) -> None:
        if self._logs.exists():
            self._logs.rename(self._away)

    def received(self) -> int:
        """Lines, of which those are read that came since."""
        found = (self._away if self._away.exists() else self._logs) / "entries.log"
        if found.exists():
            with found.open("rb") as file:
                file.seek(self._bytes)
                content = file.read()
            self._bytes += len(content)
            self._lines += content.count(b"\n")
        return self._lines

    def params(self) -> Mapping[str, Any]:
        return {"logStream": "FILE", "outputPath": str(self._logs / "entries.log")}

    def instance(self) -> Mapping[str, Any]:
        variables = {"path": "request.path", "code": "response.code | 0", "id": 'request.id | ""'}
        return {"severity": '"info"', "timestamp": "request.time", "variables": variables}


COUNTERPART = Stdio
