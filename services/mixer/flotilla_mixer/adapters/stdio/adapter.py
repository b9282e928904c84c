"""The stdio adapter: parameters to a sink, rows to lines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.stdio.lines import line
from flotilla_mixer.adapters.stdio.sinks import Console, File, Sink
from flotilla_mixer.kit.adapter import Environment, Fault, ReportBatch
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.stdio.config.config_pb2 import Params
from flotilla_shared.model.expressions import Timestamp

# A line is written at once; while it is, the next ones gather.
DELIVERY = DeliverySettings(most_waiting=10_000, batch_entries=10_000, batch_seconds=0)
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


class StdioHandler:
    """Lines wait in the kit's queue for the handler's thread, which writes them."""

    def __init__(self, params: Any, sink: Sink, environment: Environment) -> None:
        self._params = params
        self._sink = sink
        self._environment = environment
        self._waiting = environment.deliver(self._write, DELIVERY, size=len)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError when lines had to be dropped, or rows were none that fit."""
        wrong: list[str] = []
        dropped = self._waiting.offer([line for batch in batches for line in self._lines(batch, wrong)])
        if dropped:
            wrong.append(f"{dropped} lines are dropped: too many wait to be written")
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def close(self) -> None:
        """What waited has been written."""
        self._sink.close()

    async def _write(self, lines: Sequence[str]) -> None:
        await self._environment.in_thread(self._sink.write, "".join(lines))

    def _lines(self, batch: ReportBatch, wrong: list[str]) -> Iterator[str]:
        for row in batch.rows:
            try:
                level, moment, values = self._read(batch.instance, row)
                if level >= self._params.output_level:
                    yield line(level, moment, batch.instance.name, values, as_json=self._params.output_as_json)
            except (TypeError, ValueError, OverflowError) as error:
                self._environment.dropped("misfit")
                wrong.append(f"a row of {batch.instance.name} is no line: {error}")

    def _read(self, spec: InstanceSpec, row: Any) -> tuple[int, Timestamp, list[tuple[str, object]]]:
        """Level, time and values of a row. Raises ValueError or TypeError for one that is not of its template."""
        if spec.template is METRIC:
            values = [("value", row[0]), *_named(spec, "dimensions", row[2])]
            return self._params.metric_level, Timestamp(time.time_ns()), values
        moment = row[0] if row[0] is not None else Timestamp(time.time_ns())
        if not isinstance(moment, Timestamp):
            raise TypeError(f"{text_of(moment)!r} is no time")
        level = self._params.severity_levels.get(row[1] or "", LEVELS.get(row[1] or "", Params.INFO))
        return level, moment, _named(spec, "variables", row[3])


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
        yield from _wrong_levels(params)
        if params.log_stream not in Params.Stream.values():
            yield Fault("spec.params.logStream", f"{params.log_stream} is no stream.")
        for field in ("max_megabytes_before_rotation", "max_days_before_rotation", "max_rotated_files"):
            if getattr(params, field) < 0:
                json_name = params.DESCRIPTOR.fields_by_name[field].json_name
                yield Fault(
                    f"spec.params.{json_name}", f"{getattr(params, field)} is no limit: it must not be negative."
                )

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> StdioHandler:
        return StdioHandler(params, sink_of(params), environment)


def _wrong_levels(params: Any) -> Iterable[Fault]:
    given = [("metricLevel", params.metric_level), ("outputLevel", params.output_level)]
    given += [("severityLevels", level) for level in params.severity_levels.values()]
    for name, level in given:
        if level not in Params.Level.values():
            yield Fault(f"spec.params.{name}", f"{level} is no level: INFO, WARNING or ERROR.")


def sink_of(params: Any) -> Sink:
    if params.log_stream not in FILES:
        return Console(error=params.log_stream == Params.STDERR)
    path = Path(params.output_path)
    if params.log_stream == Params.FILE:
        return File(path)
    most = params.max_megabytes_before_rotation * MEGABYTE
    return File(path, most, params.max_days_before_rotation, params.max_rotated_files)
