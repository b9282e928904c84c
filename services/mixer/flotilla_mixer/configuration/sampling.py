"""Which calls a rule reports, where it samples. Istio 1.4's API says so and its Mixer ignored it; here it is done.

Only reports are sampled: whether a call may pass, and what it uses up, is asked of every call.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_mixer.expressions.compile import EvaluationError, Function, compile_expression
from flotilla_mixer.expressions.languages import Language, read
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import FractionalPercent
from flotilla_shared.model.expressions import ExpressionError, ValueType
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Bag = Mapping[str, object]
Match = Callable[[Bag], object]
NUMBERS = (ValueType.INT64, ValueType.DOUBLE)
REQUEST_ID = "x-request-id"
WHOLES = {FractionalPercent.HUNDRED: 100, FractionalPercent.TEN_THOUSAND: 10_000}


@dataclass(frozen=True, slots=True, eq=False)
class RandomSample:
    """`numerator` of `whole` calls, or as many as an expression says. By the request's id, so that every hop of a call and
    every rule choose alike; by chance where there is none, or where each is to choose by itself.
    """

    numerator: int
    whole: int
    expression: Function | None = None
    independent: bool = False
    chance: Callable[[], float] = random.random

    def takes(self, bag: Bag) -> bool:
        return self._place(bag) < self._wanted(bag)

    def _wanted(self, bag: Bag) -> float:
        """Of what an expression cannot say, nothing is sampled."""
        if self.expression is None:
            return self.numerator
        try:
            found: Any = self.expression(bag)
        except EvaluationError:
            return 0
        return float(found)

    def _place(self, bag: Bag) -> float:
        identifier = "" if self.independent else request_id(bag)
        if not identifier:
            return self.chance() * self.whole
        try:
            number = int(identifier[:8], 16)  # what Envoy takes of an id that it made
        except ValueError:
            number = zlib.crc32(identifier.encode("utf-8", "surrogatepass"))
        return number % self.whole


@dataclass(slots=True, eq=False)
class RateSample:
    """All of the first calls of each window of time, after them one of so many."""

    seconds: float
    unsampled: int
    rate: int
    clock: Callable[[], float] = time.monotonic
    _ends: float = 0.0
    _seen: int = 0

    def takes(self, _: Bag) -> bool:
        now = self.clock()
        if now >= self._ends:
            self._ends, self._seen = now + self.seconds, 0
        self._seen += 1
        over = self._seen - self.unsampled
        return over <= 0 or over % self.rate == 0


@dataclass(frozen=True, slots=True, eq=False)
class Sampler:
    """All that a rule says of it; a call is reported when every part takes it, and a part sees what those before it took."""

    parts: tuple[RandomSample | RateSample, ...]

    def within(self, match: Match | None) -> Match:
        """The condition of the rule, which holds for the calls that are taken. Calls that it does not hold for do not count."""

        def sampled(bag: Bag) -> bool:
            return (match is None or bool(match(bag))) and all(part.takes(bag) for part in self.parts)

        return sampled


Key = tuple[ObjectKey, bytes]
GENERATIONS = 2  # a build of the newest versions, and another where older ones stay in effect


@dataclass(slots=True)
class Samplers:
    """Those of the rules that were read last: one whose rule says the same goes on counting where it was."""

    _before: list[dict[Key, Sampler | None]] = field(default_factory=list)
    _now: dict[Key, Sampler | None] = field(default_factory=dict)

    def begin(self) -> None:
        """A configuration is read anew."""
        self._before = [self._now, *self._before[: GENERATIONS - 1]]
        self._now = {}

    def of(
        self, item: ConfigObject, vocabulary: Mapping[str, ValueType], language: Language, problems: ProblemLog
    ) -> Sampler | None:
        """The sampler of a rule, or None where it reports everything: it says nothing, or what it says is wrong."""
        if not item.spec.HasField("sampling"):
            return None
        key = (item.key, item.spec.sampling.SerializeToString(deterministic=True) + language.encode())
        made = read_sampler(item, vocabulary, language, problems)
        known = next((found for each in self._before if (found := each.get(key)) is not None), None)
        self._now[key] = known if known is not None and made is not None else made
        return self._now[key]


def read_sampler(
    item: ConfigObject, vocabulary: Mapping[str, ValueType], language: Language, problems: ProblemLog
) -> Sampler | None:
    """What a rule says of sampling. What is wrong is told, and nothing is sampled: rather too many reports than none."""
    sampling = item.spec.sampling
    parts: list[RandomSample | RateSample] = []
    try:
        if sampling.HasField("random"):
            parts.append(_random(sampling.random, vocabulary, language))
        if sampling.HasField("rate_limit"):
            parts.append(_rate(sampling.rate_limit))
    except _WrongSampling as wrong:
        text = f"{wrong}; every call is reported."
        problems.error(item.key, "bad-sampling", f"spec.sampling.{wrong.path}", text)
        return None
    return Sampler(tuple(parts)) if parts else None


class _WrongSampling(Exception):
    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = path


def _random(said: Any, vocabulary: Mapping[str, ValueType], language: Language) -> RandomSample:
    percent, whole = said.percent_sampled, WHOLES.get(said.percent_sampled.denominator)
    if whole is None or percent.numerator > whole:
        raise _WrongSampling(
            "random.percentSampled", f"{percent.numerator} is more than the whole, which is {whole or 100}"
        )
    function = None
    if said.attribute_expression.strip():
        path = "random.attributeExpression"
        try:
            expression, kind = read(said.attribute_expression, vocabulary, language)
        except ExpressionError as error:
            raise _WrongSampling(path, f"{said.attribute_expression!r}: {error}") from error
        if kind not in NUMBERS:
            raise _WrongSampling(path, f"{said.attribute_expression!r} is {kind}, and must be a number")
        function = compile_expression(expression, vocabulary)
    return RandomSample(percent.numerator, whole, function, said.use_independent_randomness)


def _rate(said: Any) -> RateSample:
    seconds = said.sampling_duration.ToNanoseconds() / 1e9
    for path, wrong, text in (
        ("samplingDuration", seconds <= 0, "it must be longer than 0"),
        ("maxUnsampledEntries", said.max_unsampled_entries < 0, "it must not be below 0"),
        ("samplingRate", said.sampling_rate < 1, "one of so many is reported, so it must be at least 1"),
    ):
        if wrong:
            raise _WrongSampling(f"rateLimit.{path}", text)
    return RateSample(seconds, said.max_unsampled_entries, said.sampling_rate)


def request_id(bag: Bag) -> str:
    """The id that Envoy gave the request, or the empty text."""
    found = bag.get("request.id")
    if not found:
        headers: Any = bag.get("request.headers") or {}
        found = headers.get(REQUEST_ID, "")
    return str(found)
