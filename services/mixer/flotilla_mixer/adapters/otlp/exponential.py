"""Base-2 exponential histograms: buckets whose width grows with what they count (OpenTelemetry's data model of metrics).

At scale s a bucket i takes what is above 2^(i / 2^s) and at most 2^((i + 1) / 2^s). The scale is the largest one at which
each side of zero needs at most `max_size` buckets; it only falls, two buckets becoming one each time.
"""

from __future__ import annotations

from math import floor, frexp, inf, ldexp, log

from flotilla_protos.flotilla.opentelemetry.metrics_pb2 import ExponentialHistogramDataPoint

MAX_SCALE, MAX_SIZE = 20, 160  # the specification's defaults
LEAST_SIZE, MOST_SIZE = 2, 1_000
LEAST_SCALE = -10
LEAST_NORMAL = 2.0**-1022  # what is smaller is counted with it
_LOG2 = log(2)
Counts = dict[int, int]


def bucket_of(value: float, scale: int) -> int:
    """The bucket of a number above zero."""
    value = max(value, LEAST_NORMAL)
    fraction, above = frexp(value)
    power = above - 1  # 2^power <= value
    if fraction == 0.5:  # exactly 2^power, which is the upper bound of its bucket
        return (power << scale) - 1 if scale > 0 else (power - 1) >> -scale
    if scale <= 0:
        return power >> -scale
    # A logarithm may be off by its last digit: the bucket is at least in the right power of two.
    first = power << scale
    found = floor(log(value) * ldexp(1 / _LOG2, scale))
    return min(max(found, first), first + (1 << scale) - 1)


class Side:
    """The buckets on one side of zero."""

    __slots__ = ("counts", "high", "low")

    def __init__(self) -> None:
        self.counts: Counts = {}
        self.low = self.high = 0

    def fits(self, bucket: int, max_size: int) -> bool:
        return not self.counts or max(self.high, bucket) - min(self.low, bucket) < max_size

    def add(self, bucket: int, number: int = 1) -> None:
        if not self.counts:
            self.low = self.high = bucket
        elif bucket < self.low:
            self.low = bucket
        elif bucket > self.high:
            self.high = bucket
        self.counts[bucket] = self.counts.get(bucket, 0) + number

    def fall(self, by: int) -> None:
        """To a scale that is so much lower."""
        counts: Counts = {}
        for bucket, number in self.counts.items():
            counts[bucket >> by] = counts.get(bucket >> by, 0) + number
        self.counts = counts
        self.low, self.high = self.low >> by, self.high >> by


class Exponential:
    """One label set's values."""

    __slots__ = ("_count", "_least", "_max_size", "_most", "_negative", "_positive", "_scale", "_sum", "_zeros")

    def __init__(self, max_size: int = MAX_SIZE) -> None:
        self._max_size = max_size
        self._scale = MAX_SCALE
        self._positive, self._negative = Side(), Side()
        self._count = self._zeros = 0
        self._sum = 0.0
        self._least, self._most = inf, -inf

    def add(self, value: float) -> None:
        self._count += 1
        self._sum += value
        self._least, self._most = min(self._least, value), max(self._most, value)
        if value == 0:
            self._zeros += 1
            return
        side = self._positive if value > 0 else self._negative
        bucket = bucket_of(abs(value), self._scale)
        if not side.fits(bucket, self._max_size):
            self._fall_for(side, bucket, bucket)
            bucket = bucket_of(abs(value), self._scale)
        side.add(bucket)

    def _fall_for(self, side: Side, low: int, high: int) -> None:
        """To the scale at which the side has room for these too."""
        low, high, by = min(low, side.low), max(high, side.high), 0
        while high - low >= self._max_size and self._scale - by > LEAST_SCALE:
            low, high, by = low >> 1, high >> 1, by + 1
        self._fall(by)

    def _fall(self, by: int) -> None:
        self._scale -= by
        self._positive.fall(by)
        self._negative.fall(by)

    def merge(self, later: Exponential) -> None:
        """May lower the scale of both."""
        low = min(self._scale, later._scale)
        self._fall(self._scale - low)
        later._fall(later._scale - low)
        for mine, theirs in ((self._positive, later._positive), (self._negative, later._negative)):
            if mine.counts and theirs.counts:
                self._fall_for(mine, theirs.low, theirs.high)
                later._fall(later._scale - self._scale)
        for mine, theirs in ((self._positive, later._positive), (self._negative, later._negative)):
            for bucket, number in theirs.counts.items():
                mine.add(bucket, number)
        self._count, self._zeros = self._count + later._count, self._zeros + later._zeros
        self._sum += later._sum
        self._least, self._most = min(self._least, later._least), max(self._most, later._most)

    def point(self) -> ExponentialHistogramDataPoint:
        """Without a sum where values were below zero, as of a histogram with bounds."""
        alone = not self._positive.counts and not self._negative.counts
        point = ExponentialHistogramDataPoint(
            count=self._count,
            scale=0 if alone else self._scale,
            zero_count=self._zeros,
            min=self._least,
            max=self._most,
        )
        for side, found in ((self._positive, point.positive), (self._negative, point.negative)):
            if side.counts:
                found.offset = side.low
                found.bucket_counts.extend(side.counts.get(each, 0) for each in range(side.low, side.high + 1))
        if self._least >= 0:
            point.sum = self._sum
        return point
