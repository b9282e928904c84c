"""The stdio adapter: parameters to a sink, rows to lines."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.stdio.lines import line
from flotilla_mixer.adapters.stdio.sinks import Console, File, Sink
from flotilla_mixer.kit.adapter import Environment, Fault, ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.stdio.config.config_pb2 import Params
from flotilla_shared.model.expressions import Timestamp
from flotilla_shared.runtime.logs import get_logger

WAITING_LIMIT = 10_000  # lines
MEGABYTE = 1024 * 1024
FILES = (Params.FILE, Params.ROTATED_FILE)
LEVELS = {
    name: level
    for level, names in (
        (Params.INFO, ("INFO", "Info", "info", "INFORMATIONAL", "Informational", "informational")),
        (Params.WARNING, ("WARN", "Warn", "warn", "WARNING", "Warning", "warning")),
        (Params.ERROR, ("ERR", "Err", "err", "ERROR", "Error", "error", "FATAL", "Fatal", "fatal")),
    )
    for name in names
}

_log = get_logger(__name__)


class StdioHandler:
    """Lines wait in a bounded queue for a thread that writes them."""

    def __init__(self, params: Any, sink: Sink) -> None:
        self._params = params
        self._sink = sink
        self._waiting: deque[str] = deque()
        self._there_is = asyncio.Event()

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError when lines had to be dropped."""
        dropped = 0
        for batch in batches:
            for text in self._lines(batch):
                if len(self._waiting) >= WAITING_LIMIT:
                    dropped += 1
                else:
                    self._waiting.append(text)
        self._there_is.set()
        if dropped:
            raise ValueError(f"{dropped} lines are dropped: {WAITING_LIMIT} wait to be written")

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            await self._there_is.wait()
            self._there_is.clear()
            if self._waiting:
                await asyncio.to_thread(self._write, self._taken())

    def close(self) -> None:
        """What still waits is written at once."""
        self._write(self._taken())
        self._sink.close()

    def _taken(self) -> str:
        text = "".join(self._waiting)
        self._waiting.clear()
        return text

    def _write(self, text: str) -> None:
        try:
            if text:
                self._sink.write(text)
        except (OSError, ValueError) as error:
            _log.error("lines cannot be written", error=str(error), lines=text.count("\n"))

    def _lines(self, batch: ReportBatch) -> Iterator[str]:
        name, as_json = batch.instance.name, self._params.output_as_json
        for row in batch.rows:
            if batch.instance.template is METRIC:
                level, moment = self._params.metric_level, Timestamp(time.time_ns())
                values = [("value", row[0]), *_named(batch.instance, "dimensions", row[2])]
            else:
                level = self._params.severity_levels.get(row[1] or "", LEVELS.get(row[1] or "", Params.INFO))
                moment = row[0] if row[0] is not None else Timestamp(time.time_ns())
                values = _named(batch.instance, "variables", row[3])
            if level >= self._params.output_level:
                yield line(level, moment, name, values, as_json=as_json)


def _named(spec: InstanceSpec, field: str, values: Sequence[object]) -> list[tuple[str, object]]:
    return list(zip(spec.names.get(field, ()), values, strict=True))


class Stdio:
    """The adapter."""

    name: ClassVar[str] = "stdio"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((LOG_ENTRY.name, METRIC.name))

    def defaults(self) -> Message:
        levels: Mapping[str, Any] = LEVELS
        return Params(
            severity_levels=levels,
            output_as_json=True,
            max_days_before_rotation=30,
            max_megabytes_before_rotation=100,
            max_rotated_files=1000,
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if params.log_stream in FILES and not params.output_path:
            yield Fault("spec.params.outputPath", "a file needs a path.")
        if params.log_stream not in FILES and params.output_path:
            yield Fault("spec.params.outputPath", "the console has no path; say logStream: FILE for a file.")
        for field in ("max_megabytes_before_rotation", "max_days_before_rotation", "max_rotated_files"):
            if getattr(params, field) < 0:
                json_name = params.DESCRIPTOR.fields_by_name[field].json_name
                yield Fault(
                    f"spec.params.{json_name}", f"{getattr(params, field)} is no limit: it must not be negative."
                )

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> StdioHandler:
        handler = StdioHandler(params, sink_of(params))
        environment.spawn(handler.run(), "write")
        return handler


def sink_of(params: Any) -> Sink:
    if params.log_stream not in FILES:
        return Console(error=params.log_stream == Params.STDERR)
    path = Path(params.output_path)
    if params.log_stream == Params.FILE:
        return File(path)
    most = params.max_megabytes_before_rotation * MEGABYTE
    return File(path, most, params.max_days_before_rotation, params.max_rotated_files)
