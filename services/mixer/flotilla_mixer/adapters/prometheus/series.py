"""One label set's values, by kind of metric, and how they read in Prometheus' text format and in OpenMetrics.

Written as Go's client writes it: `3` and not `3.0`, `le="1e+06"`, so that what compares pages goes on working. In
OpenMetrics bounds are written `le="3.0"`, as its standard has them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import inf, isfinite
from typing import Any

from flotilla_mixer.adapters.prometheus.exemplars import Exemplar
from flotilla_mixer.adapters.prometheus.names import bucket_bounds, encodable, metric_name, sanitise
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params

Kind = Params.MetricInfo.Kind
Labels = tuple[str, ...]
MOST = 1e300  # of one value that is added to others: their sum stays a number
TOTAL = "_total"
_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_HELP_ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n"})


class Series:
    """`label_text` is `a="x",b="y"`, made once. `value` is a counter's or gauge's, and a distribution's sum;
    `values` are the labels' by their place in the family. `counts` are a distribution's values by bucket, the infinite one
    last; `exemplars` the last of each bucket, of a counter the only one, None while there has never been one. `touched` is
    when it was last written (monotonic), for expiry; one that is `gone` is on the page no more.
    """

    __slots__ = ("counts", "exemplars", "gone", "label_text", "touched", "value", "values")

    def __init__(self, label_text: str, values: Labels, buckets: int) -> None:
        self.label_text = label_text
        self.values = values
        self.value = 0.0
        self.counts = [0] * buckets
        self.exemplars: list[Exemplar | None] | None = None
        self.touched = 0.0
        self.gone = False


class Shape:
    """What all series of a metric have in common. Subclasses write values and lines."""

    type_name = ""
    buckets = 0
    range = (-inf, inf)  # of values that are taken; never what is no number

    def __init__(self, info: Any) -> None:
        self.name = metric_name(info)
        self.kind = info.kind
        self.labels: Labels = tuple(map(sanitise, info.label_names))
        self.help = encodable(info.description or info.name or info.instance_name)
        # Prometheus shows labels by name.
        self._shown = sorted(zip(self.labels, range(len(self.labels)), strict=True))

    def head(self, *, open_metrics: bool) -> str:
        """What comes before the lines. A counter whose name does not end in `_total` cannot be one in OpenMetrics: it is
        of unknown type there, and keeps its name.
        """
        name, kind, text = self.name, self.type_name, self.help.translate(_HELP_ESCAPED)
        if open_metrics:
            text = self.help.translate(_ESCAPED)
            name, kind = self.open_name_and_type
        return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"

    @property
    def open_name_and_type(self) -> tuple[str, str]:
        """As OpenMetrics has them."""
        return self.name, self.type_name

    def new(self, labels: Sequence[str]) -> Series:
        values = tuple(map(encodable, labels))
        return Series(label_pairs((name, values[place]) for name, place in self._shown), values, self.buckets)

    def fit(self, value: float) -> float:
        """The value. Raises ValueError for one outside the range."""
        low, high = self.range
        if not low <= value <= high:
            raise ValueError(self.refusal(value))
        return value

    def refusal(self, value: float) -> str:
        """Why a value outside the range is not taken."""
        return f"{self.name} cannot take {number_text(value)}"

    def write(self, series: Series, value: float) -> None:
        raise NotImplementedError

    def exemplify(self, series: Series, exemplar: Exemplar) -> None:
        """Keep it in the place of the one before; `write` has had its value."""
        series.exemplars = [exemplar]

    def lines(self, series: Series, *, open_metrics: bool = False) -> str:
        """The series as the page has it."""
        labels = f"{{{series.label_text}}}" if series.label_text else ""
        end = self._open_end(series) if open_metrics and series.exemplars else "\n"
        return f"{self.name}{labels} {number_text(series.value)}{end}"

    def _open_end(self, series: Series) -> str:
        return "\n"


class CounterShape(Shape):
    type_name = "counter"
    range = (0.0, MOST)

    @property
    def open_name_and_type(self) -> tuple[str, str]:
        if self.name.endswith(TOTAL):
            return self.name.removesuffix(TOTAL), self.type_name
        return self.name, "unknown"

    def _open_end(self, series: Series) -> str:
        """What is of unknown type cannot have an exemplar in OpenMetrics."""
        exemplar = series.exemplars[0] if series.exemplars and self.name.endswith(TOTAL) else None
        return _exemplar_end(exemplar)

    def refusal(self, value: float) -> str:
        if value < 0:
            return f"the counter {self.name} cannot fall, and was given {number_text(value)}"
        return super().refusal(value)

    def write(self, series: Series, value: float) -> None:
        series.value += value


class GaugeShape(Shape):
    type_name = "gauge"

    def write(self, series: Series, value: float) -> None:
        series.value = value


class DistributionShape(Shape):
    type_name = "histogram"
    range = (-MOST, MOST)

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self.bounds = bucket_bounds(info.buckets)
        self.buckets = len(self.bounds) + 1
        bounds = (*self.bounds, inf)
        self._ends = [f'le="{number_text(bound)}"}} ' for bound in bounds]
        self._open_ends = [f'le="{open_number(bound)}"}} ' for bound in bounds]

    def write(self, series: Series, value: float) -> None:
        series.value += value
        series.counts[bisect_left(self.bounds, value)] += 1

    def exemplify(self, series: Series, exemplar: Exemplar) -> None:
        if series.exemplars is None:
            series.exemplars = [None] * self.buckets
        series.exemplars[bisect_left(self.bounds, exemplar.value)] = exemplar

    def lines(self, series: Series, *, open_metrics: bool = False) -> str:
        labels = series.label_text
        head = f"{self.name}_bucket{{{labels}," if labels else f"{self.name}_bucket{{"
        braced = f"{{{labels}}}" if labels else ""
        total, lines = 0, []
        for end, count in zip(self._open_ends if open_metrics else self._ends, series.counts, strict=True):
            total += count
            lines.append(f"{head}{end}{total}\n")
        if open_metrics and series.exemplars:
            pairs = zip(lines, series.exemplars, strict=True)
            lines = [f"{line[:-1]}{_exemplar_end(exemplar)}" for line, exemplar in pairs]
        lines.append(f"{self.name}_sum{braced} {number_text(series.value)}\n{self.name}_count{braced} {total}\n")
        return "".join(lines)


def label_pairs(labels: Iterable[tuple[str, str]]) -> str:
    """`a="x",b="y"`, as both forms of the page have it."""
    return ",".join([f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels])


def _exemplar_end(exemplar: Exemplar | None) -> str:
    """The end of a line of OpenMetrics."""
    if exemplar is None:
        return "\n"
    return f" # {{{label_pairs(exemplar.labels)}}} {number_text(exemplar.value)} {exemplar.moment:.3f}\n"


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


def open_number(value: float) -> str:
    """A bound as OpenMetrics has it: `3.0` where the text format has `3`."""
    text = number_text(value)
    return f"{text}.0" if text.lstrip("-").isdigit() else text
