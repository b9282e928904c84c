"""Quotas in memory: never more than the limit in any window, whatever callers do."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.memquota import adapter as memquota
from flotilla_mixer.adapters.memquota.adapter import Memquota
from flotilla_mixer.adapters.memquota.deduplication import Deduplication, Granted
from flotilla_mixer.kit.adapter import QuotaCall
from flotilla_mixer.kit.results import QuotaResult
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.memquota.config.config_pb2 import Params

NAME = "calls.instance.default"
SPEC = InstanceSpec(NAME, QUOTA, {}, {"dimensions": ("app", "user")})
QUOTAS = {
    "name": NAME,
    "maxAmount": "5",
    "validDuration": "2s",
    "overrides": [
        {"dimensions": {"app": "reviews", "user": "jason"}, "maxAmount": "1", "validDuration": "10s"},
        {"dimensions": {"app": "reviews"}, "maxAmount": "2", "validDuration": "2s"},
    ],
}


class Limited:
    def __init__(self, quota: dict[str, Any] | None = None) -> None:
        self.now = 100.0
        params = json_format.ParseDict({"quotas": [quota or QUOTAS], "minDeduplicationDuration": "1s"}, Params())
        self.handler = Memquota(lambda: self.now).build(params, [SPEC], Background())

    def ask(
        self, amount: int, identifier: str = "", *, best: bool = False, app: str = "a", user: str = ""
    ) -> QuotaResult:
        answers: list[Any] = []
        self.handler.quota([QuotaCall(SPEC, ((app, user),), answers.append, amount, best, identifier)])
        (answer,) = answers
        return answer  # type: ignore[no-any-return]


def test_what_leaves_the_window_is_there_again() -> None:
    limited = Limited()
    assert limited.ask(3) == QuotaResult(3, 2.0)
    limited.now += 1
    assert limited.ask(3).amount == 0
    assert limited.ask(3, best=True).amount == 2
    limited.now += 1
    assert limited.ask(3).amount == 3


def test_each_set_of_dimensions_counts_by_itself_and_the_first_override_that_fits_counts() -> None:
    limited = Limited()
    assert [limited.ask(5, app=app).amount for app in ("a", "b", "a")] == [5, 5, 0]
    assert limited.ask(1, app="reviews", user="jason") == QuotaResult(1, 10.0)
    assert limited.ask(1, app="reviews", user="jason").amount == 0
    assert limited.ask(2, app="reviews", user="mary") == QuotaResult(2, 2.0)


def test_a_repeated_call_uses_nothing_and_gets_what_is_left_of_its_time() -> None:
    limited = Limited()
    assert limited.ask(5, "x") == QuotaResult(5, 2.0)
    limited.now += 0.5
    assert limited.ask(5, "x") == QuotaResult(5, 1.5)
    limited.now += 5
    assert limited.ask(4, "x") == QuotaResult(4, 2.0), "long ago"


def test_an_instance_without_dimensions_has_one_count() -> None:
    spec, answers = InstanceSpec(NAME, QUOTA), []
    handler = Memquota().build(json_format.ParseDict({"quotas": [QUOTAS]}, Params()), [spec], Background())
    handler.quota([QuotaCall(spec, ((),), answers.append, 3, False, "") for _ in range(2)])
    assert [each.amount for each in answers] == [3, 0]


def test_without_a_window_it_is_in_use_until_it_is_given_back() -> None:
    limited = Limited({"name": NAME, "maxAmount": "5"})
    assert limited.ask(5) == QuotaResult(5, 0.0)
    limited.now += 1000
    assert limited.ask(1).amount == 0
    assert limited.ask(-7).amount == 5
    assert limited.ask(5).amount == 5


def test_more_keys_than_can_be_counted_are_refused_until_others_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memquota, "CELLS_LIMIT", 2)
    limited = Limited()
    assert [limited.ask(1, app=app).amount for app in ("a", "b", "c")] == [1, 1, 0]
    limited.now += 3
    assert limited.ask(1, app="c").amount == 1


@given(st.lists(st.tuples(st.integers(0, 1500), st.integers(-3, 6), st.booleans()), max_size=60))
def test_no_window_ever_has_more_than_the_limit(steps: list[tuple[int, int, bool]]) -> None:
    """Of any two seconds, however they lie to the ticks that are counted by."""
    limited, grants, now = Limited(), [], 100_000
    for milliseconds, amount, best in steps:
        now += milliseconds
        limited.now = now / 1000
        result = limited.ask(amount, best=best).amount
        if amount > 0:
            assert 0 <= result <= amount
            grants.append((now, result))
        elif result:  # given back: the newest first
            left = result
            for place in range(len(grants) - 1, -1, -1):
                when, granted = grants[place]
                grants[place] = (when, granted - min(left, granted))
                left -= min(left, granted)
    for end, _ in grants:
        assert sum(granted for when, granted in grants if end - 2000 < when <= end) <= 5


def test_what_is_used_between_two_ticks_never_leaves_early() -> None:
    limited = Limited()
    limited.now = 100.09
    assert limited.ask(5).amount == 5
    limited.now = 102.05
    assert limited.ask(1).amount == 0, "1.96 s later"
    limited.now = 102.1
    assert limited.ask(5).amount == 5


def test_twenty_callers_on_a_real_clock_never_have_more_than_the_limit_in_any_window() -> None:
    """On threads: the handler itself is asked by one at a time, as Mixer's loop does."""
    params = json_format.ParseDict(
        {"quotas": [{"name": NAME, "maxAmount": "40", "validDuration": "1s"}], "minDeduplicationDuration": "1s"},
        Params(),
    )
    handler, turn, log = Memquota().build(params, [SPEC], Background()), threading.Lock(), []
    until = time.monotonic() + 2.2

    def call(number: int) -> None:
        asked = 0
        while (before := time.monotonic()) < until:
            answers: list[QuotaResult | str] = []
            asked += 1
            with turn:
                amount, best = 1 + (number + asked) % 3, number % 2 == 0
                handler.quota([QuotaCall(SPEC, (("a", ""),), answers.append, amount, best, "")])
            (result,) = answers
            if isinstance(result, QuotaResult) and result.amount:
                log.append((before, time.monotonic(), result.amount))
            time.sleep(0.002)  # so that the callers take turns

    callers = [threading.Thread(target=call, args=(number,)) for number in range(20)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert sum(amount for *_, amount in log) > 40
    for start, _, _ in log:
        assert sum(amount for asked, got, amount in log if asked >= start and got < start + 1) <= 40


def test_identifiers_are_forgotten() -> None:
    seen = Deduplication(1.0)
    seen.keep("a", Granted(1, 0.0), 10.0)
    assert seen.find("a", 10.9) == Granted(1, 0.0)
    assert seen.find("a", 13.1) is None


WRONG = [
    ({"quotas": [{"maxAmount": "1"}]}, "spec.params.quotas[0].name"),
    ({"quotas": [{"name": NAME, "maxAmount": "-1"}]}, "spec.params.quotas[0].maxAmount"),
    ({"quotas": [{"name": NAME, "validDuration": "-1s"}]}, "spec.params.quotas[0].validDuration"),
    ({"quotas": [{"name": NAME, "overrides": [{"maxAmount": "-1"}]}]}, "spec.params.quotas[0].overrides[0].maxAmount"),
    ({"minDeduplicationDuration": "0s"}, "spec.params.minDeduplicationDuration"),
    ({}, "spec.params.quotas"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
def test_parameters_that_make_no_sense(changes: dict[str, Any], field: str) -> None:
    found = json_format.ParseDict({"minDeduplicationDuration": "1s", **changes}, Params())
    assert field in [fault.field for fault in Memquota().validate(found, [SPEC])]
