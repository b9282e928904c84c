"""Rows of `metric` as StatsD's lines: `istio.requests:1|c|@0.5`."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from flotilla_mixer.kit.gotext import Template
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.statsd.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration

Type = Params.MetricInfo.Type
VALUE, DIMENSIONS = 0, 2  # places in a row
LONGEST_NAME = 500
MOST_REMEMBERED = 10_000
MILLISECOND = 1_000_000
MOST = 2**63 - 1
# What would end a name, or the line that it is in.
_NOT_IN_NAMES = re.compile(r"[:|@#\s\x00-\x1f\x7f]")


def fit_name(name: str) -> str:
    """A name as StatsD can read it."""
    return _NOT_IN_NAMES.sub("_", name[:LONGEST_NAME]).encode(errors="replace").decode()


class LineWriter:
    """The lines of one instance. Without a template they have the instance's name. `draw` gives numbers from 0 to 1."""

    def __init__(
        self,
        spec: InstanceSpec,
        kind: int,
        template: Template | None,
        prefix: str,
        rate: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._spec = spec
        self._is_gauge = kind == Type.GAUGE
        self._is_timer = kind == Type.DISTRIBUTION
        self._template = template
        self._prefix = f"{prefix.rstrip('.')}." if prefix else ""
        self._rate = rate
        self._end = ("|ms" if self._is_timer else "|c") + ("\n" if rate >= 1 else f"|@{rate:g}\n")
        self._draw = draw
        self._fixed = fit_name(self._prefix + spec.name)
        self._names: dict[tuple[object, ...], str] = {}  # those that were made already

    def line(self, row: tuple[Any, ...]) -> str:
        """One line with its end, or two where StatsD needs them; empty for one that sampling leaves out. Raises ValueError
        for a row that has no such line.
        """
        value = row[VALUE]
        number = str(value) if type(value) is int and -MOST <= value <= MOST else self._number(value)
        name = self._name(row[DIMENSIONS])
        if self._is_gauge:
            return self._gauge(name, number)
        if self._rate < 1 and self._draw() >= self._rate:
            return ""
        return f"{name}:{number}{self._end}"

    def _gauge(self, name: str, value: str) -> str:
        """A gauge is never sampled: the last value is the one that counts. With a sign it would be a change of the value
        before, so what is below zero is set to zero first.
        """
        below = f"{name}:0|g\n" if value.startswith("-") else ""
        return f"{below}{name}:{value}|g\n"

    def _number(self, value: object) -> str:
        """Of a value that is no whole number of 64 bits."""
        if self._is_timer and isinstance(value, Duration):
            whole, rest = divmod(int(value), MILLISECOND)
            return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
        raise ValueError(f"{text_of(value)!r} is no whole number, as {self._spec.name} needs one")

    def _name(self, dimensions: tuple[object, ...]) -> str:
        if self._template is None:
            return self._fixed
        try:
            found = self._names.get(dimensions)
        except TypeError:  # a map among them
            return self._made(dimensions)
        if found is None:
            found = self._made(dimensions)
            if len(self._names) >= MOST_REMEMBERED:
                self._names.clear()
            self._names[dimensions] = found
        return found

    def _made(self, dimensions: tuple[object, ...]) -> str:
        assert self._template is not None
        names = self._spec.names.get("dimensions", ())
        values: Mapping[str, object] = dict(zip(names, dimensions, strict=True))
        name = self._template.run(values)
        if not name:
            raise ValueError(f"the name of {self._spec.name} is empty")
        return fit_name(self._prefix + name)
