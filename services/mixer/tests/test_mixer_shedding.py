"""What is shed and why, on a clock that tests move; and the gate before a Mixer that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers import report_lane
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.report_lane import QUIET_TURNS
from flotilla_mixer.shedding.age import Ages
from flotilla_mixer.shedding.limits import AverageLatency, TokenBucket
from flotilla_mixer.shedding.pressure import Pressure
from flotilla_mixer.shedding.throttle import OVERLOADED, Cause, ShedSettings, Throttle
from flotilla_mixer.testing.native import CHECK, REPORT, NativeClient
from flotilla_mixer.testing.running import Running
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, ReportRequest
from flotilla_shared.runtime.batches import CallFailed
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def made(settings: ShedSettings) -> tuple[Throttle, Clock, MixerMetrics]:
    clock, metrics = Clock(), MixerMetrics(ServiceMetrics("mixer"))
    return Throttle(settings, metrics, clock), clock, metrics


def counted(metrics: MixerMetrics) -> tuple[int, int, dict[str, int]]:
    """Calls that were shed, what they would have cost, and the entries among that by cause."""
    (family,) = metrics.shed_entries.collect()
    entries = {each.labels["cause"]: int(each.value) for each in family.samples if each.name.endswith("_total")}
    return int(metrics.throttled._value.get()), int(metrics.shed_cost._value.get()), entries


# the judges


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.take(1, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1, 0.1), bucket.take(1, 0.1)] == [True, False]
    assert bucket.take(3, 100.0), "no more than the burst adds up"
    assert not bucket.take(1, 100.0)
    assert not bucket.take(4, 200.0), "what is more than the burst never fits"


@given(
    st.floats(0.5, 100),
    st.integers(1, 50),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), max_size=60),
)
def test_a_bucket_never_gives_more_than_burst_and_rate(rate: float, burst: int, asked: list[tuple[float, int]]) -> None:
    bucket, now, given_out = TokenBucket(rate, burst), 0.0, 0
    for wait, cost in asked:
        now += wait
        given_out += cost if bucket.take(cost, now) else 0
    assert given_out <= burst + rate * now + 1e-6


def test_the_mean_halves_with_the_time_that_goes_by() -> None:
    mean = AverageLatency(halflife=1.0)
    assert mean.at(5.0) == 0.0
    mean.add(0.8, 10.0)
    assert mean.at(10.0) == pytest.approx(0.8)
    assert mean.at(11.0) == pytest.approx(0.4), "without calls it sinks, so that calls come in again"
    mean.add(0.0, 12.0)
    assert mean.at(12.0) == pytest.approx(0.2)


def test_the_mean_looks_at_so_many_samples_a_second() -> None:
    mean = AverageLatency(halflife=1.0, per_second=1)
    mean.add(1.0, 0.0)
    mean.add(50.0, 0.1)
    assert mean.at(0.1) < 1.0
    mean.add(50.0, 1.2)
    assert mean.at(1.2) > 1.0


def seen(seconds: Sequence[float], apart: float = 0.011) -> tuple[Pressure, float]:
    """A pressure after calls that waited so long each, one after the other, and the time then."""
    pressure, now = Pressure(0.02, 0.05), 50.0
    for each in seconds:
        now += apart
        pressure.waited(each, now)
    return pressure, now


@pytest.mark.parametrize(
    ("seconds", "reports", "checks"),
    [
        ([0.001] * 500, False, False),
        ([0.001, 0.5, 0.001], False, False),  # one pause of the machine
        ([0.001, *[0.024] * 10], True, False),
        ([0.001, *[0.024] * 9], False, False),  # too few
        ([0.001, *[0.06] * 10], True, True),
        ([0.001, *[0.06] * 10, 0.024], True, False),
        ([0.001, *[0.06] * 10, 0.001], False, False),  # one that is short ends it
        ([0.5], False, False),
    ],
)
def test_only_what_lasts_is_an_overload(seconds: list[float], reports: bool, checks: bool) -> None:
    pressure, now = seen(seconds)
    assert (pressure.reports(now), pressure.checks(now)) == (reports, checks)


def test_an_overload_of_before_a_silence_is_over() -> None:
    pressure, now = seen([0.001, *[0.06] * 10])
    assert pressure.checks(now)
    assert not pressure.checks(now + 2)
    for number in range(20):
        pressure.waited(0.06, now + 2 + number / 1000)
    assert not pressure.checks(now + 2)


@given(st.lists(st.floats(0.0001, 0.2), max_size=80))
def test_checks_are_never_shed_before_reports(seconds: list[float]) -> None:
    for end in range(len(seconds)):
        pressure, now = seen(seconds[:end])
        assert pressure.reports(now) or not pressure.checks(now)


def test_few_late_calls_are_no_overload() -> None:
    """Where nobody has time for the process, all calls are late, and shedding would not help."""
    pressure, now = seen([0.001, *[0.5] * 100], apart=0.025)
    assert not pressure.reports(now)
    pressure, now = seen([0.001, *[0.5] * 100], apart=0.015)
    assert pressure.checks(now)


# how long calls have waited


def test_the_age_of_a_call_is_what_its_deadline_lacks() -> None:
    ages = Ages()
    assert ages.of("a", 1.0, 0.0) == 0.0
    assert ages.of("a", 0.75, 0.1) == 0.25
    assert ages.of("b", 0.25, 0.2) == 0.0, "each caller has a time of its own"
    assert ages.of("a", 1.5, 0.3) == 0.0
    assert ages.of("a", 1.0, 0.4) == 0.5
    assert ages.of("a", -0.5, 0.5) == 2.0, "its time is over"


def test_a_caller_that_gives_less_time_is_believed_after_a_while() -> None:
    ages = Ages(window=10)
    assert ages.of("a", 10.0, 0.0) == 0.0
    assert ages.of("a", 1.0, 5.0) == 9.0
    assert ages.of("a", 1.0, 12.0) == 9.0
    assert ages.of("a", 1.0, 23.0) == 0.0
    assert ages.of("a", 1.0, 100.0) == 0.0


def test_callers_are_forgotten() -> None:
    ages = Ages(window=1000, most=50)
    for number in range(1000):
        ages.of(str(number), 1.0, number / 1000)
        assert len(ages) <= 50


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-5, 5), st.floats(0, 3)), max_size=50))
def test_no_call_is_younger_than_new(calls: list[tuple[str, float, float]]) -> None:
    ages, now = Ages(window=4), 0.0
    for caller, left, wait in calls:
        now += wait
        assert ages.of(caller, left, now) >= 0.0


# the throttle


def test_nothing_is_shed_by_default_while_all_is_well() -> None:
    throttle, _, metrics = made(ShedSettings())
    assert throttle.calm()
    assert not any(throttle.sheds_check() or throttle.sheds_report(1000) for _ in range(1000))
    assert counted(metrics) == (0, 0, {})


def test_the_rate_counts_a_report_by_its_entries() -> None:
    throttle, clock, metrics = made(ShedSettings(requests=100, burst=50))
    assert not throttle.calm()
    assert not throttle.sheds_report(40)
    assert not throttle.sheds_check()
    assert throttle.sheds_report(40)
    assert counted(metrics) == (1, 40, {"rate": 40})
    clock.now += 0.5
    assert not throttle.sheds_report(40)


def test_the_mean_sheds_only_where_many_come() -> None:
    throttle, clock, metrics = made(ShedSettings(average_latency=0.1, latency_enforcement=10))
    throttle.answered(0.5)
    assert not any(throttle.sheds_check() for _ in range(10)), "ten a second are let in whatever they take"
    assert throttle.sheds_check()
    assert throttle.sheds_report(7)
    assert counted(metrics) == (2, 8, {"latency": 7})
    clock.now += 1.0
    throttle.answered(0.001)
    clock.now += 10.0
    assert not any(throttle.sheds_check() for _ in range(50)), "calls are quick again"


@pytest.mark.parametrize(("mode", "shed"), [("disabled", False), ("logonly", False), ("enforce", True)])
@pytest.mark.parametrize(
    "settings", [{"requests": 1.0, "burst": 1}, {"average_latency": 0.1, "latency_enforcement": 1.0}, {}]
)
def test_modes(mode: str, shed: bool, settings: dict[str, float]) -> None:
    throttle, clock, metrics = made(ShedSettings(mode=mode, **settings))  # type: ignore[arg-type]
    throttle.waited(0.001)
    for _ in range(20):
        clock.now += 0.01
        throttle.waited(0.3)
    throttle.answered(0.5)
    found = [throttle.sheds_check(), throttle.sheds_check(), throttle.sheds_report(5)]
    assert any(found) is shed
    assert found[-1] is shed
    assert (counted(metrics)[0] > 0) is shed
    assert throttle.calm() is (mode == "disabled")


def test_pressure_sheds_reports_and_only_then_checks() -> None:
    throttle, clock, metrics = made(ShedSettings())
    throttle.waited(0.001)
    for _ in range(20):
        clock.now += 0.01
        throttle.waited(0.06)
    assert (throttle.sheds_report(100), throttle.sheds_check(), throttle.calm()) == (True, False, True)
    for _ in range(20):
        clock.now += 0.01
        throttle.waited(0.3)
    assert (throttle.sheds_report(100), throttle.sheds_check(), throttle.calm()) == (True, True, False)
    assert counted(metrics) == (3, 201, {"pressure": 200})
    assert throttle.pressure == 0.3
    throttle.waited(0.001)
    assert (throttle.sheds_report(100), throttle.sheds_check()) == (False, False)


# the gate


def call(deadline: float | None = None) -> Call:
    return Call("", b"", (), Peer(""), deadline, asyncio.get_running_loop().create_future())


def status(of: Call) -> grpc.StatusCode:
    failure = of._answer.exception()
    assert isinstance(failure, CallFailed)
    return failure.code


async def test_reports_are_taken_in_order_with_turns_between() -> None:
    throttle, _, _ = made(ShedSettings())
    gate, taken = Gate(throttle, 1000), []
    calls = [call() for _ in range(5)]
    for number, each in enumerate(calls):
        gate.report(each, 10, lambda _, number=number: taken.append(number))
    assert taken == []
    await asyncio.sleep(0)
    assert taken == [0], "nothing else is under way"
    for expected in range(1, 5):
        for _ in range(QUIET_TURNS):
            assert taken == list(range(expected))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert taken == list(range(expected + 1))


async def test_reports_wait_while_checks_come() -> None:
    throttle, _, _ = made(ShedSettings())
    gate, taken = Gate(throttle, 1000), []
    gate.report(call(), 10, taken.append)
    for _ in range(20):
        gate.checks([call()])
        await asyncio.sleep(0)
        assert taken == []
    for _ in range(QUIET_TURNS):
        assert taken == []
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(taken) == 1


async def test_reports_are_taken_now_and_then_however_many_checks_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_lane, "LONGEST_SECONDS", 0.0)
    throttle, _, _ = made(ShedSettings())
    gate, taken = Gate(throttle, 1000), []
    gate.report(call(), 10, taken.append)
    for _ in range(3):
        gate.checks([call()])
        await asyncio.sleep(0)
    assert len(taken) == 1


async def test_a_full_lane_refuses_and_counts() -> None:
    throttle, _, metrics = made(ShedSettings(mode="disabled"))
    gate, taken = Gate(throttle, 100), []
    calls = [call() for _ in range(4)]
    for each, entries in zip(calls, (60, 30, 20, 10), strict=True):
        gate.report(each, entries, taken.append)
    assert [each.done for each in calls] == [False, False, True, False]
    assert status(calls[2]) is grpc.StatusCode.UNAVAILABLE
    assert counted(metrics) == (1, 20, {"queue": 20})
    for _ in range(4 * QUIET_TURNS):
        await asyncio.sleep(0)
    assert taken == [calls[0], calls[1], calls[3]]


async def test_one_report_that_is_larger_than_the_lane_is_taken() -> None:
    throttle, _, _ = made(ShedSettings())
    gate, taken = Gate(throttle, 10), []
    gate.report(call(), 1000, taken.append)
    await asyncio.sleep(0)
    assert len(taken) == 1


async def test_what_nobody_waits_for_is_not_taken() -> None:
    throttle, _, metrics = made(ShedSettings())
    gate, taken = Gate(throttle, 1000), []
    calls = [call(), call(deadline=-1.0), call(), call(deadline=60.0)]
    for each in calls:
        gate.report(each, 10, taken.append)
    calls[2]._answer.cancel()
    for _ in range(3 * QUIET_TURNS):
        await asyncio.sleep(0)
    assert taken == [calls[0], calls[3]]
    assert status(calls[1]) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert counted(metrics) == (2, 20, {"expired": 20})


async def test_a_report_that_fails_does_not_keep_the_others() -> None:
    throttle, _, _ = made(ShedSettings())
    gate, taken = Gate(throttle, 1000), []

    def fail(_: Call) -> None:
        raise RuntimeError("a fault of ours")

    heard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
    gate.report(call(), 1, fail)
    gate.report(call(), 1, taken.append)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(taken) == 1
    assert len(heard) == 1


async def test_checks_that_nobody_waits_for_are_not_worked_on() -> None:
    throttle, _, _ = made(ShedSettings())
    waiting, gone, late = call(60.0), call(), call(-1.0)
    gone._answer.cancel()
    assert list(Gate(throttle, 10).checks([waiting, gone, late])) == [waiting]
    assert status(late) is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_gate_tells_how_long_the_newest_of_its_calls_has_waited() -> None:
    throttle, _, _ = made(ShedSettings())
    gate = Gate(throttle, 10)
    gate.checks([call(60.0)])
    assert throttle.pressure < 1.0
    gate.checks([call(20.0), call(50.0)])
    assert 9.0 < throttle.pressure < 11.0
    gate.checks([call()])
    assert 9.0 < throttle.pressure < 11.0, "without a deadline nothing is known"


async def test_the_gate_answers_what_it_refuses() -> None:
    throttle, _, metrics = made(ShedSettings(requests=2, burst=2))
    calls = [call() for _ in range(3)]
    assert Gate(throttle, 10).checks(calls) == calls[:2]
    assert status(calls[2]) is grpc.StatusCode.UNAVAILABLE
    assert str(calls[2]._answer.exception()) == OVERLOADED
    assert counted(metrics) == (1, 1, {})


# a whole Mixer


async def test_a_mixer_that_is_over_its_rate_says_so_and_counts(running: Running) -> None:
    """Every entry is recorded or counted as dropped, and Checks are refused in 1.4's words."""
    await running.put()
    throttle = running.mixer.throttle
    throttle._settings = ShedSettings()
    throttle._rate = TokenBucket(0.0, 25)
    client, codes, sent = NativeClient(), [], 0
    assert running.mixer.plaintext is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        report: ReportRequest = client.report_request([{"request.path": "/"}] * 10)
        for _ in range(4):
            sent += 10
            try:
                await channel.unary_unary(REPORT)(report.SerializeToString())
                codes.append(grpc.StatusCode.OK)
            except grpc.aio.AioRpcError as refused:
                codes.append(refused.code())
        assert codes == [grpc.StatusCode.OK] * 2 + [grpc.StatusCode.UNAVAILABLE] * 2
        check: CheckRequest = client.check_request({})
        for _ in range(5):
            await client.check(channel, check)
        with pytest.raises(grpc.aio.AioRpcError) as refused_check:
            await channel.unary_unary(CHECK)(check.SerializeToString())
    assert refused_check.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused_check.value.details() == OVERLOADED
    recorded = int(running.mixer.metrics.entries.labels("native")._value.get())
    throttled, cost, entries = counted(running.mixer.metrics)
    assert recorded + sum(entries.values()) == sent
    assert (throttled, cost, entries) == (3, 21, {"rate": 20})


async def test_log_entries_over_the_rate_are_dropped_and_counted(running: Running) -> None:
    await running.put()
    running.mixer.throttle._settings = ShedSettings()
    running.mixer.throttle._rate = TokenBucket(0.0, 3)
    entry = {"common_properties": {"access_log_type": "DownstreamEnd"}, "request": {"path": "/"}}
    await running.report(entry, entry)
    await running.report(entry, entry)
    recorded = int(running.mixer.metrics.entries.labels("http")._value.get())
    assert (recorded, counted(running.mixer.metrics)[2]) == (2, {"rate": 2})


# under the native front


def test_what_waits_too_long_is_refused_while_all_wait_for_nearly_so_long() -> None:
    throttle, clock, _ = made(ShedSettings(longest_wait=0.05))
    throttle.waited(0.001)
    assert throttle.longest_wait() is None
    for _ in range(12):
        clock.now += 0.006
        throttle.waited(0.04)
    assert throttle.longest_wait() == 0.05
    clock.now += 0.006
    throttle.waited(0.02)  # one that has waited for less than most of that: it is over
    assert throttle.longest_wait() is None


@pytest.mark.parametrize("mode", ["disabled", "logonly"])
def test_nothing_is_refused_for_its_age_unless_loads_are_shed(mode: str) -> None:
    throttle, clock, _ = made(ShedSettings(mode=mode, longest_wait=0.05))  # type: ignore[arg-type]
    for wait in (0.001, *[0.04] * 20):
        clock.now += 0.006
        throttle.waited(wait)
    assert throttle.longest_wait() is None


def test_checks_that_found_no_room_are_counted() -> None:
    throttle, _, metrics = made(ShedSettings())
    throttle.turned_away(7)
    throttle.drop(300, Cause.QUEUE)
    assert counted(metrics) == (8, 307, {"queue": 300})


class Timed(Call):
    """A call of a transport that knows how long it has waited."""

    @property
    def waited(self) -> float | None:
        return 1.5

    @property
    def occurrences(self) -> int | None:
        return 4


async def test_the_gate_believes_a_transport_that_knows_how_long_calls_wait() -> None:
    throttle, _, _ = made(ShedSettings())
    gate = Gate(throttle, 10)
    answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    call = Timed(CHECK, b"", (), Peer("10.0.0.1:1"), 30.0, answer)
    assert list(gate.checks([call])) == [call]
    assert throttle.pressure == 1.5
    answer.cancel()
