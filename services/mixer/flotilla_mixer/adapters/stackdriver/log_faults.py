"""What is wrong with `logInfo`, and with instances of `logentry` that it does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.templates.template import InstanceSpec

MOST_LABELS = 64
_LOG = re.compile(r"[A-Za-z0-9_./-]{1,500}\Z")
_SINK = re.compile(r"[A-Za-z0-9_.-]{1,100}\Z")
_DESTINATION = re.compile(r"(storage|bigquery|pubsub|logging)\.googleapis\.com/\S+\Z")


def info_faults(infos: Any) -> Iterable[Fault]:
    for name, info in sorted(infos.items()):
        path = f"spec.params.logInfo[{name}]"
        if not _LOG.match(name):
            yield Fault(path, f"{name[:100]!r} is no name of a log: letters, digits and /_-. alone.")
        try:
            template(info.payload_template)
        except TemplateError as error:
            yield Fault(f"{path}.payloadTemplate", f"{error}.")
        if len(info.label_names) > MOST_LABELS:
            text = f"an entry has at most {MOST_LABELS} labels, and not {len(info.label_names)}."
            yield Fault(f"{path}.labelNames", text)
        if info.HasField("sink_info"):
            yield from _wrong_sink(f"{path}.sinkInfo", info.sink_info)


def _wrong_sink(path: str, sink: Any) -> Iterable[Fault]:
    if not _SINK.match(sink.id):
        yield Fault(f"{path}.id", f"{sink.id[:100]!r} is no name of a sink: letters, digits and _-. alone.")
    if not _DESTINATION.match(sink.destination):
        text = f"{sink.destination[:200]!r} is no destination, such as storage.googleapis.com/BUCKET."
        yield Fault(f"{path}.destination", text)


def instance_faults(spec: InstanceSpec, infos: Any) -> Iterable[Fault]:
    """Of an instance of `logentry` that a rule reports."""
    if spec.name not in infos:
        yield Fault("spec.params.logInfo", f"a rule reports {spec.name}, and no log has that name.")
        return
    info, known = infos[spec.name], set(spec.names.get("variables", ()))
    for field, name in _named(info):
        if name not in known:
            text = f"it takes {name}, which {spec.name} does not have among its variables."
            yield Fault(f"spec.params.logInfo[{spec.name}].{field}", text)


def _named(info: Any) -> Iterator[tuple[str, str]]:
    """Fields that name variables, and which."""
    with suppress(TemplateError):  # which is told already
        yield from (("payloadTemplate", name) for name in sorted(template(info.payload_template).names))
    yield from (("labelNames", name) for name in info.label_names)
    for field, name in info.http_mapping.ListFields():
        yield f"httpMapping.{field.json_name}", name
    yield from ((field, name) for field, name in (("trace", info.trace), ("span", info.span)) if name)
