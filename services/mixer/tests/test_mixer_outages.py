"""The harness of outages by itself: what it reports, what it reads, what it finds wrong, and that all its counterparts fit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.testing.meshes import configured, problems
from flotilla_mixer.testing.outages.counterpart import HANDLER, Counterpart, Way, counterparts
from flotilla_mixer.testing.outages.entries import ENTRIES, Entries
from flotilla_mixer.testing.outages.outcome import AWAY, BECAME, NOTICED, SLOW, THERE, Outcome, percentile
from flotilla_mixer.testing.outages.play import configuration
from flotilla_mixer.testing.outages.record import spelled, tables
from flotilla_mixer.testing.outages.served import Served
from flotilla_mixer.testing.outages.watch import Counted, read
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, ReportRequest

FOLDER = Path(__file__).parent / "counterparts"
CPU = "CPU us an entry; away, slow to before"


@pytest.mark.parametrize("name", sorted(counterparts(FOLDER)))
def test_a_counterpart_fits_its_adapter(name: str, tmp_path: Path) -> None:
    kind = counterparts(FOLDER)[name]
    counterpart = kind(tmp_path)
    try:
        assert not problems(configured(configuration(counterpart)))
    finally:
        counterpart.close()
    assert kind.template in load_adapters()[kind.adapter].templates


def test_a_report_has_entries_that_differ() -> None:
    entries = Entries()
    reports = [ReportRequest.FromString(entries.report()) for _ in range(2)]
    assert [len(report.attributes) for report in reports] == [ENTRIES, ENTRIES]
    identifiers, traces = set(), set()
    number = global_dictionary().index["request.id"]
    for report in reports:
        assert len(report.attributes[1].strings) == 1, "what is as before is not said again"
        for each in report.attributes:
            identifiers.add(each.words[-each.strings[number] - 1])
            (headers,) = each.string_maps.values()
            traces.add(tuple(sorted(each.words[-value - 1] for value in headers.entries.values() if value < 0)))
    assert len(identifiers) == len(traces) == 2 * ENTRIES


def test_a_check_asks_for_a_quota_if_told_so() -> None:
    entries = Entries()
    assert not CheckRequest.FromString(entries.check()).quotas
    asked = CheckRequest.FromString(entries.check("entry"))
    assert {name: quota.amount for name, quota in asked.quotas.items()} == {"entry": 1}
    assert asked.deduplication_id != CheckRequest.FromString(entries.check("entry")).deduplication_id


def test_what_a_handler_counts_is_read_by_its_name() -> None:
    page = f"""\
# TYPE mixer_handler_entries_waiting gauge
mixer_handler_entries_waiting{{handler="{HANDLER}"}} 3
mixer_handler_entries_waiting{{handler="another"}} 7
# TYPE mixer_handler_entries_sent counter
mixer_handler_entries_sent_total{{handler="{HANDLER}"}} 10
mixer_handler_entries_sent_created{{handler="{HANDLER}"}} 1.7e9
# TYPE mixer_handler_entries_dropped counter
mixer_handler_entries_dropped_total{{handler="{HANDLER}",cause="full"}} 5
mixer_handler_entries_dropped_total{{handler="{HANDLER}",cause="closing"}} 2
mixer_handler_entries_dropped_total{{handler="another",cause="full"}} 9
# TYPE mixer_handler_backend_errors counter
mixer_handler_backend_errors_total{{handler="{HANDLER}",cause="unreachable"}} 4
"""
    found = read(page, HANDLER)
    assert found == Counted(10, 3, {"full": 5, "closing": 2}, {"unreachable": 4})
    assert (found.lost, found.all) == (7, 20)
    assert read(page, "nobody") == Counted()


class _Pushed(Counterpart):
    adapter, template = "statsd", "metric"

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def received(self) -> int:
        return 0

    def params(self) -> dict[str, Any]:
        return {}

    def instance(self) -> dict[str, Any]:
        return {}


class _Unanswered(_Pushed):
    acknowledges: ClassVar[bool] = False


class _Pulled(_Pushed):
    way: ClassVar[Way] = Way.PULLED


class _Asked(_Pushed):
    way: ClassVar[Way] = Way.ASKED


def outcome(kind: type[Counterpart] = _Pushed, **changes: Any) -> Outcome:
    """One with which nothing is wrong, and what is other than in that."""
    found = Outcome(kind(Path()))
    sent = {
        Way.PUSHED: Counted(900, 0, {"full": 100}),
        Way.PULLED: Counted(),
        Way.ASKED: Counted(0, 0, {"timeout": 100}),
    }
    found.given, found.granted, found.counted = 1000, 900, sent[found.way]
    found.received = found.sent
    found.peak, found.resumed = {THERE: 100.0, AWAY: 120.0}, {"return": 2.0}
    found.seconds = {("check", THERE): [0.001] * 9 + [0.002], ("check", AWAY): [0.002] * 10}
    for name, value in changes.items():
        setattr(found, name, value)
    return found


@pytest.mark.parametrize("kind", [_Pushed, _Unanswered, _Pulled, _Asked])
def test_nothing_is_wrong_where_all_is_accounted_for(kind: type[Counterpart]) -> None:
    assert list(outcome(kind).faults()) == []


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (_Pushed, {"given": 1001}, "of 1001 entries (and 0 of calls that failed) 1000 are accounted for"),
        (_Pushed, {"given": 900, "unknown": 99}, "of 900 entries (and 99 of calls that failed) 1000"),
        (_Pushed, {"given": 0, "counted": Counted(), "received": 0}, "nothing was taken: {'report UNKNOWN': 3}"),
        (_Pushed, {"counted": Counted(900, 1, {"full": 99})}, "1 entries still wait"),
        (_Pushed, {"at_worst": Counted(0, 20_001)}, "20001 entries waited at the end of the outage"),
        (_Pushed, {"received": 899}, "the backend has 899 entries and 900 count as sent"),
        (_Unanswered, {"received": 901}, "the backend has 901 entries, and only 900 count as sent"),
        (_Pulled, {"counted": Counted(0, 0, {"full": 1}), "received": 999}, "1 values were dropped"),
        (_Pulled, {"received": 999}, "the backend has 999 entries and 1000 count as sent"),
        (_Asked, {"granted": 899, "received": 899}, "of 1000 entries (and 0 of calls that failed) 999"),
        (_Asked, {"received": 800}, "the backend has 800 entries and 900 count as sent"),
        (_Pushed, {"resumed": {"return": 10.1}}, "delivery resumed 10.1 s after the backend's return"),
        (_Pushed, {"peak": {THERE: 100.0, SLOW: 201.0}}, "memory grew by 101 MiB, more than 100"),
    ],
)
def test_what_is_wrong_is_said(kind: type[Counterpart], changes: dict[str, Any], said: str) -> None:
    found = outcome(kind, failed=Counter({"report UNKNOWN": 3}), **changes)
    faults = list(found.faults())
    assert [fault for fault in faults if fault.startswith(said)], faults


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (_Pushed, {"given": 900, "unknown": 100}),
        (_Pushed, {"received": 950}),
        (_Unanswered, {"received": 500}),
        (_Asked, {"received": 905}),
    ],
)
def test_what_may_be_is_not_wrong(kind: type[Counterpart], changes: dict[str, Any]) -> None:
    """A call that failed may have been taken, an answer may be lost, and so may a datagram."""
    assert list(outcome(kind, **changes).faults()) == []


def cells(found: Outcome) -> dict[str, str]:
    return dict(zip((*NOTICED, *BECAME), (*found.noticed(), *found.became()), strict=True))


def test_the_record_has_ratios_to_before() -> None:
    found = cells(outcome())
    assert found["Check p50 / p99 ms"] == "1.00 / 2.00"
    assert found["away: Check, to before"] == "2.00 / 1.00"
    assert found["slow: Check, to before"] == found["Report p50 / p99 ms"] == found[CPU] == "-"
    assert found["MiB before / at most"] == "100 / 120"
    assert found["dropped, by cause"] == "full 100"
    assert cells(outcome(cpu={THERE: 40e-6, AWAY: 50e-6}))[CPU] == "40.0; 1.25"
    assert cells(outcome(cpu={THERE: 40e-6, AWAY: 50e-6, SLOW: 44e-6}))[CPU] == "40.0; 1.25, 1.10"


def test_the_record_is_two_tables_and_what_was_not_measured_is_not_spelled() -> None:
    lines = tables({"statsd": outcome(), "other": outcome(_Pulled)}).splitlines()
    assert [line.count("|") for line in lines] == [len(NOTICED) + 2] * 4 + [0] + [len(BECAME) + 2] * 4
    assert "Report" not in spelled("statsd", outcome())


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1), (0.5, 6), (0.99, 10), (1.0, 10)])
def test_percentiles(share: float, wanted: int) -> None:
    assert percentile(list(range(10, 0, -1)), share) == wanted


class Told:
    """What a process of a test serves."""

    def __init__(self, first: int = 0) -> None:
        self.port, self._total = 17, first

    async def add(self, number: int) -> int:
        self._total += number
        return self._total

    def odd(self) -> object:
        return object()

    def fail(self) -> None:
        raise ValueError("as asked")


def test_a_backend_in_a_process_of_its_own_is_asked_by_lines() -> None:
    served = Served("test_mixer_outages:Told", Path(__file__).parent, first=5)
    try:
        assert (served.ask("port"), served.ask("add", 3), served.ask("add", -1)) == (17, 8, 7)
        with pytest.raises(RuntimeError, match="fail: ValueError: as asked"):
            served.ask("fail")
        with pytest.raises(RuntimeError, match="AttributeError"):
            served.ask("missing")
        with pytest.raises(RuntimeError, match="not JSON serializable"):
            served.ask("odd")
        assert served.ask("add", 0) == 7
    finally:
        served.close()
        served.close()
