"""Rows of `logentry` as Datadog's log intake takes them: an object of JSON each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from flotilla_mixer.adapters.datadog.vocabulary import TagMaker, encodable
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.template import InstanceSpec

MOMENT, SEVERITY, VARIABLES = 0, 1, 3  # places in a row
MILLISECOND = 1_000_000
MOST_BYTES = 1_000_000  # of a log: Datadog's limit
SOURCE, SERVICE = "flotilla", "mesh"
MOST_WHOLE = 2**63


class LogWriter:
    """The logs of one instance. Its variables are attributes below `mesh`, so that none is taken for one of Datadog's own."""

    def __init__(self, spec: InstanceSpec, info: Any, host: str, tags: Mapping[str, str]) -> None:
        self._spec = spec
        self._names = spec.names.get("variables", ())
        self._message = template(info.message) if info.message else None
        self._service = template(info.service or SERVICE)
        self._tags = TagMaker(self._names, {**tags, **info.tags}, tuple(info.tag_variables))
        self._fixed = {"ddsource": info.source or SOURCE, "logger": {"name": spec.name}}
        if host:
            self._fixed["hostname"] = host

    def content(self, row: tuple[Any, ...]) -> bytes:
        """Raises ValueError for a row that has no log, or one that is longer than Datadog takes."""
        tags = self._tags.tags(row[VARIABLES])
        values = dict(zip(self._names, row[VARIABLES], strict=True))
        found = self._fixed | {
            "message": encodable(self._text(values)),
            "service": encodable(self._run(self._service, values)),
            "status": encodable(text_of(row[SEVERITY])).lower() or "info",
            "mesh": {name: _plain(value) for name, value in values.items()},
        }
        if tags:
            found["ddtags"] = ",".join(tags)
        if isinstance(row[MOMENT], int) and 0 < row[MOMENT] < MOST_WHOLE:
            found["timestamp"] = row[MOMENT] // MILLISECOND
        content = orjson.dumps(found)
        if len(content) > MOST_BYTES:
            raise ValueError(f"an entry of {self._spec.name} has {len(content)} bytes, and Datadog takes {MOST_BYTES}")
        return content

    def _text(self, values: Mapping[str, Any]) -> str:
        if self._message is not None:
            return self._run(self._message, values)
        return " ".join(f"{name}={text_of(value)}" for name, value in sorted(values.items()))

    def _run(self, found: Any, values: Mapping[str, Any]) -> str:
        try:
            text: str = found.run(values)
            return text
        except TemplateError as error:
            raise ValueError(f"an entry of {self._spec.name} has no text: {error}") from error


def _plain(value: object) -> Any:
    """As JSON has it: numbers and maps as they are, all else as text."""
    if isinstance(value, (bool, float)):
        return value
    if type(value) is int and -MOST_WHOLE <= value < MOST_WHOLE:
        return value
    if isinstance(value, Mapping):
        return {encodable(text_of(name)): encodable(text_of(each)) for name, each in value.items()}
    return encodable(text_of(value))
