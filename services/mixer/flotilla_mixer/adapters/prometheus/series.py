"""One label set's values, by kind of metric, and how they read in Prometheus' text format.

Written as Go's client writes it: `3` and not `3.0`, `le="1e+06"`, so that what compares pages goes on working.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from flotilla_mixer.adapters.prometheus.names import bucket_bounds, metric_name, sanitise
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params

Kind = Params.MetricInfo.Kind
Labels = tuple[str, ...]
_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n"})


class Series:
    """`label_text` is `a="x",b="y"`, made once. `value` is a counter's or gauge's, and a distribution's sum;
    `counts` are a distribution's values by bucket, the infinite one last.
    """

    __slots__ = ("counts", "label_text", "touched", "value")

    def __init__(self, label_text: str, buckets: int) -> None:
        self.label_text = label_text
        self.value = 0.0
        self.counts = [0] * buckets
        self.touched = 0.0


class Shape:
    """What all series of a metric have in common. Subclasses write values and lines."""

    type_name = ""
    buckets = 0

    def __init__(self, info: Any) -> None:
        self.name = metric_name(info)
        self.kind = info.kind
        self.labels: Labels = tuple(map(sanitise, info.label_names))
        text = info.description or info.name or info.instance_name
        self.head = f"# HELP {self.name} {text.translate(_HELP_ESCAPED)}\n# TYPE {self.name} {self.type_name}\n"
        # Prometheus shows labels by name.
        self._shown = sorted(zip(self.labels, range(len(self.labels)), strict=True))

    def new(self, labels: Sequence[str]) -> Series:
        text = ",".join(f'{name}="{labels[place].translate(_ESCAPED)}"' for name, place in self._shown)
        return Series(text, self.buckets)

    def write(self, series: Series, value: float) -> None:
        raise NotImplementedError

    def lines(self, series: Series) -> str:
        """The series as the page has it."""
        labels = f"{{{series.label_text}}}" if series.label_text else ""
        return f"{self.name}{labels} {number_text(series.value)}\n"


class CounterShape(Shape):
    type_name = "counter"

    def write(self, series: Series, value: float) -> None:
        """Raises ValueError for a negative value."""
        if value < 0:
            raise ValueError(f"the counter {self.name} cannot fall, and was given {number_text(value)}")
        series.value += value


class GaugeShape(Shape):
    type_name = "gauge"

    def write(self, series: Series, value: float) -> None:
        series.value = value


class DistributionShape(Shape):
    type_name = "histogram"

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self.bounds = bucket_bounds(info.buckets)
        self.buckets = len(self.bounds) + 1
        self._ends = [f'le="{number_text(bound)}"}} ' for bound in (*self.bounds, float("inf"))]

    def write(self, series: Series, value: float) -> None:
        series.value += value
        series.counts[bisect_left(self.bounds, value)] += 1

    def lines(self, series: Series) -> str:
        labels = series.label_text
        head = f"{self.name}_bucket{{{labels}," if labels else f"{self.name}_bucket{{"
        braced = f"{{{labels}}}" if labels else ""
        total, lines = 0, []
        for end, count in zip(self._ends, series.counts, strict=True):
            total += count
            lines.append(f"{head}{end}{total}\n")
        lines.append(f"{self.name}_sum{braced} {number_text(series.value)}\n{self.name}_count{braced} {total}\n")
        return "".join(lines)


_SHAPES = {Kind.COUNTER: CounterShape, Kind.GAUGE: GaugeShape, Kind.DISTRIBUTION: DistributionShape}


def family_of(info: Any) -> Shape:
    """The shape of a MetricInfo whose kind is known. Raises ValueError for buckets that do not grow."""
    return _SHAPES[info.kind](info)


def number_text(value: float) -> str:
    """A number as Go's client writes it: the shortest digits, with an exponent below 1e-4 and from 1e6."""
    if -1e6 < value < 1e6:
        if value.is_integer():
            return str(int(value))
        if abs(value) >= 1e-4:
            return repr(value)
    if not isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    head, rest = digits[0], "".join(map(str, digits[1:]))
    power = int(exponent) + len(digits) - 1
    return f"{'-' * sign}{head}{'.' if rest else ''}{rest}e{power:+03d}"
