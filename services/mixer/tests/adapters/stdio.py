"""Stdio's backend is a folder: while it is away nothing can be written."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.adapters.stdio.adapter import Stdio
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPECS = [sample_spec(LOG_ENTRY), sample_spec(METRIC)]


class Folder:
    """Held, it is a full disk of no use to the test: files do not answer slowly, so nothing changes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.gettempdir()) / f"flotilla-{uuid.uuid4()}"
        self._read = 0

    async def start(self) -> Mapping[str, Any]:
        self.folder.mkdir(exist_ok=True)
        return {"logStream": "FILE", "outputPath": str(self.folder / "out.log")}

    async def stop(self) -> None:
        self._read = self.received()
        for file in self.folder.iterdir() if self.folder.exists() else ():
            file.unlink()
        if self.folder.exists():
            self.folder.rmdir()

    def hold(self, held: bool) -> None:
        pass

    def received(self) -> int:
        file = self.folder / "out.log"
        return self._read + (len(file.read_text().splitlines()) if file.exists() else 0)


CASE = AdapterCase(
    Stdio,
    rows={spec: [sample_row(spec)] * 3 for spec in SPECS},
    wrong=[
        ({"logStream": "FILE"}, "spec.params.outputPath"),
        ({"logStream": "ROTATED_FILE"}, "spec.params.outputPath"),
        ({"outputPath": "out.log"}, "spec.params.outputPath"),
        ({"logStream": 9}, "spec.params.logStream"),
        ({"maxMegabytesBeforeRotation": -1}, "spec.params.maxMegabytesBeforeRotation"),
        ({"maxRotatedFiles": -1}, "spec.params.maxRotatedFiles"),
        ({"maxDaysBeforeRotation": -1}, "spec.params.maxDaysBeforeRotation"),
        ({"metricLevel": 17}, "spec.params.metricLevel"),
        ({"outputLevel": 17}, "spec.params.outputLevel"),
        ({"severityLevels": {"loud": 17}}, "spec.params.severityLevels"),
    ],
    backend=Folder,
)
