"""The status of a custom resource, from a verdict and reports: tables."""

from __future__ import annotations

from typing import Any

import pytest

from flotilla_galley.snapshot.ledger import Entry, State
from flotilla_galley.status.conditions import MESSAGE_CHARACTERS, next_status, patch_of
from flotilla_shared.model.kinds import VIRTUAL_SERVICES
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

KEY = ObjectKey(VIRTUAL_SERVICES, "x", "a")
THEN, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
WRONG = Problem("invalid", "spec.hosts", "it is empty")
WARNED = Problem("unknown-field", "spec.hots", "there is no such field", "warning")


def entry(state: State = State.PUBLISHED, *problems: Problem) -> Entry:
    item = None if state is State.REFUSED else ConfigObject(KEY, "v1", None)
    return Entry(KEY, state, "VirtualService/x/a", 0, item, problems)


def report(accepted: bool = True, counts: tuple[int, int, int] = (0, 0, 0), **changes: Any) -> dict[str, Any]:
    names = ("proxies_concerned", "proxies_acknowledged", "proxies_rejected")
    return {"version": "v1", "accepted": accepted, "problems": [], **dict(zip(names, counts, strict=True)), **changes}


def conditions(status: dict[str, Any] | None) -> dict[str, tuple[str, str, str]]:
    assert status is not None
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in status["conditions"]}


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (entry(), ("True", "Valid", "")),
        (entry(State.PUBLISHED, WARNED), ("True", "ValidWithWarnings", "spec.hots: there is no such field")),
        (
            entry(State.LAST_GOOD, WRONG, WARNED),
            ("False", "LastGood", "spec.hosts: it is empty; the version before stays distributed"),
        ),
        (entry(State.REFUSED, WRONG), ("False", "Invalid", "spec.hosts: it is empty; nothing of it is distributed")),
    ],
)
def test_the_verdict(made: Entry, wanted: tuple[str, str, str]) -> None:
    assert conditions(next_status({}, made, 3, {}, NOW)) == {"PassedValidation": wanted}


@pytest.mark.parametrize(
    ("reports", "wanted"),
    [
        (
            {"pilot": report(counts=(3, 3, 0))},
            {"Accepted": ("True", "Accepted", ""), "Reconciled": ("True", "UpToDate", "3/3 proxies up to date.")},
        ),
        (
            {"pilot": report(counts=(3, 1, 0))},
            {"Accepted": ("True", "Accepted", ""), "Reconciled": ("False", "Waiting", "1/3 proxies up to date.")},
        ),
        (
            {"pilot": report(counts=(3, 1, 2))},
            {
                "Accepted": ("True", "Accepted", ""),
                "Reconciled": ("False", "Rejected", "1/3 proxies up to date. 2 rejected it."),
            },
        ),
        (
            {"pilot": report(counts=(0, 0, 0))},
            {"Accepted": ("True", "Accepted", ""), "Reconciled": ("True", "UpToDate", "0/0 proxies up to date.")},
        ),
        (
            {"pilot": report(version="v0", counts=(3, 3, 0))},
            {"Reconciled": ("False", "Waiting", "Pilot has not taken this version yet")},
        ),
        (
            {"mixer": report(False, problems=[{"code": "c", "field": "spec.match", "text": "no"}])},
            {"Accepted": ("False", "Refused", "mixer: spec.match: no")},
        ),
        (
            {
                "mixer": report(problems=[{"code": "c", "field": "", "text": "hm"}]),
                "pilot": report(counts=(1, 1, 0)),
            },
            {
                "Accepted": ("True", "AcceptedWithProblems", "mixer: hm"),
                "Reconciled": ("True", "UpToDate", "1/1 proxies up to date."),
            },
        ),
    ],
)
def test_reports(reports: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = conditions(next_status({}, entry(), 3, reports, NOW))
    del found["PassedValidation"]
    assert found == wanted


class TestChanges:
    def test_what_is_so_already_is_not_written(self) -> None:
        reports = {"pilot": report(counts=(3, 3, 0))}
        first = next_status({}, entry(State.PUBLISHED, WARNED), 3, reports, THEN)
        assert first is not None
        assert next_status(first, entry(State.PUBLISHED, WARNED), 3, reports, NOW) is None

    def test_times_move_with_the_status_alone(self) -> None:
        first = next_status({}, entry(), 3, {"pilot": report(counts=(3, 1, 0))}, THEN)
        assert first is not None
        second = next_status(first, entry(), 4, {"pilot": report(counts=(3, 3, 0))}, NOW)
        assert second is not None
        times = {each["type"]: each["lastTransitionTime"] for each in second["conditions"]}
        assert times == {"PassedValidation": THEN, "Accepted": THEN, "Reconciled": NOW}
        assert {each["observedGeneration"] for each in second["conditions"]} == {4}
        assert second["observedGeneration"] == 4

    def test_what_others_write_stays(self) -> None:
        theirs = {"conditions": [{"type": "Theirs", "status": "True"}], "addresses": [{"value": "1.2.3.4"}]}
        found = next_status(theirs, entry(), 3, {}, NOW)
        assert found is not None
        assert found["addresses"] == theirs["addresses"]
        assert found["conditions"][0] == {"type": "Theirs", "status": "True"}
        assert next_status(found, entry(), 3, {}, NOW) is None

    @pytest.mark.parametrize(("generation", "stays"), [(3, True), (4, False)])
    def test_what_was_reported_of_this_generation_stays(self, generation: int, stays: bool) -> None:
        first = next_status({}, entry(), 3, {"pilot": report(counts=(3, 3, 0))}, THEN)
        assert first is not None
        later = next_status(first, entry(), generation, {}, NOW) or first
        assert ("Reconciled" in conditions(later)) is stays

    @pytest.mark.parametrize("junk", [{"conditions": "no"}, {"conditions": ["no"]}, {"conditions": None}])
    def test_a_status_that_is_none(self, junk: dict[str, Any]) -> None:
        assert "PassedValidation" in conditions(next_status(junk, entry(), 3, {}, NOW))


def test_messages_are_istios() -> None:
    found = next_status({}, entry(State.REFUSED, WRONG, WARNED), 3, {}, NOW)
    assert found is not None
    first, second = found["validationMessages"]
    assert first == {
        "type": {"code": "IST0106", "name": "SchemaValidationError"},
        "level": "ERROR",
        "message": "spec.hosts: it is empty",
        "documentationUrl": "https://istio.io/latest/docs/reference/config/analysis/ist0106/",
    }
    assert (second["level"], second["type"]["code"]) == ("WARNING", "IST0133")
    gone = next_status(found, entry(), 4, {}, NOW)
    assert gone is not None
    assert patch_of(found, gone)["validationMessages"] is None


def test_long_messages_are_cut() -> None:
    problems = [Problem("c", f"spec.http[{number}]", "x" * 100) for number in range(100)]
    found = next_status({}, entry(State.REFUSED, *problems), 3, {}, NOW)
    assert len(conditions(found)["PassedValidation"][2]) == MESSAGE_CHARACTERS
    assert found is not None
    assert len(found["validationMessages"]) == 20


def test_a_patch_names_what_changes() -> None:
    assert patch_of({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3}) == {"b": 3, "c": None}
