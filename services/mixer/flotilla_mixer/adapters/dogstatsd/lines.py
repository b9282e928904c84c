"""Rows of `metric` as DogStatsD's lines: `istio.requests:1|c|@0.5|#code:200,service:ratings`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from flotilla_mixer.adapters.datadog.vocabulary import TagMaker, full_name
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.dogstatsd.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration

Type = Params.MetricInfo.Type
VALUE, DIMENSIONS = 0, 2  # places in a row
MOST_REMEMBERED = 10_000
MOST = 2**63 - 1
MILLISECOND = 1_000_000
BY_DATADOG = Params.MetricInfo.DATADOG


class LineWriter:
    """The lines of one instance. `tags` are those of its metric and of all; dimensions go before both. `ending` says where they
    come from. `draw` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        spec: InstanceSpec,
        info: Any,
        prefix: str,
        tags: Mapping[str, str],
        rate: float,
        draw: Callable[[], float] = random.random,
        ending: str = "",
    ) -> None:
        self._spec = spec
        self._is_timer = info.type == Type.DISTRIBUTION
        self._sampled = info.type != Type.GAUGE and rate < 1
        self._rate = rate
        self._share = f"|@{rate:g}" if self._sampled else ""
        by_datadog = info.aggregated_by == BY_DATADOG
        distribution = "|d" if by_datadog else "|h"
        self._sign = {Type.COUNTER: "|c", Type.GAUGE: "|g", Type.DISTRIBUTION: distribution}[info.type]
        self._time_sign = "|d" if by_datadog else "|ms"
        self._head = full_name(prefix, info.name)
        self._maker = TagMaker(spec.names.get("dimensions", ()), tags)
        self._ending = f"{ending}\n"
        self._draw = draw
        self._tags: dict[tuple[object, ...], str] = {}  # those that were made already

    def line(self, row: tuple[Any, ...]) -> str:
        """One line with its end; empty for one that sampling leaves out. A gauge is never sampled. Raises ValueError for a
        row that has no such line.
        """
        value = row[VALUE]
        if type(value) is int and -MOST <= value <= MOST:
            shown = f"{value}{self._sign}"
        elif self._is_timer and isinstance(value, Duration):
            whole, rest = divmod(int(value), MILLISECOND)
            shown = f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + self._time_sign
        else:
            raise ValueError(f"{text_of(value)!r} is no whole number, as {self._spec.name} needs one")
        tags = self._tags_of(row[DIMENSIONS])
        if self._sampled and self._draw() >= self._rate:
            return ""
        return f"{self._head}:{shown}{self._share}{tags}{self._ending}"

    def _tags_of(self, dimensions: tuple[object, ...]) -> str:
        try:
            found = self._tags.get(dimensions)
        except TypeError:  # a map among them
            return self._made(dimensions)
        if found is None:
            found = self._made(dimensions)
            if len(self._tags) >= MOST_REMEMBERED:
                self._tags.clear()
            self._tags[dimensions] = found
        return found

    def _made(self, dimensions: tuple[object, ...]) -> str:
        tags = self._maker.tags(dimensions)
        return f"|#{','.join(tags)}" if tags else ""
