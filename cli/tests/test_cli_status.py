"""The tables of `flotilla status`."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from rich.console import Console

from flotilla_cli.status.gather import service_status
from flotilla_cli.status.table import problems, remaining, reports, show
from flotilla_cli.status.view import MeshStatus
from flotilla_cli.supervision.probe import Readiness
from flotilla_shared.runtime.child import Child, State

NOW = 1_800_000_000.0
VIRTUAL_SERVICE = {
    "collection": "istio/networking/v1alpha3/virtualservices",
    "kind": "VirtualService",
    "namespace": "default",
    "name": "reviews",
    "version": "c9d2ae01b7f3",
    "state": "last-good",
    "file": "reviews-route.yaml",
    "line": 3,
    "problems": [
        {
            "code": "VS001",
            "field": "spec.http[0].route[0].destination.host",
            "text": "is missing",
            "severity": "error",
            "file": "reviews-route.yaml",
            "line": 9,
        }
    ],
    "reports": {
        "pilot": {
            "accepted": True,
            "version": "c9d2ae01b7f3",
            "problems": [],
            "proxies_concerned": 3,
            "proxies_acknowledged": 2,
            "proxies_rejected": 1,
        }
    },
}
GATEWAY = VIRTUAL_SERVICE | {
    "kind": "Gateway",
    "name": "bookinfo",
    "state": "published",
    "problems": [],
    "reports": {},
}
BROKEN = {"code": "YAML", "field": "", "text": "not YAML", "severity": "error", "file": "x.yaml", "line": 2}


def service(name: str, state: str = "running", reasons: tuple[str, ...] = ()) -> dict[str, object]:
    pid = 100 if state == "running" else None
    return {
        "name": name,
        "state": state,
        "pid": pid,
        "ready": not reasons,
        "reasons": list(reasons),
        "address": "a",
    }


def workload(name: str, state: str = "ready", reason: str = "", **more: object) -> dict[str, object]:
    return {
        "name": name,
        "namespace": "default",
        "kind": "sidecar",
        "address": "127.0.2.1",
        "state": state,
        "reason": reason,
        "application": {"state": "running", "pid": 200, "reason": ""},
        "certificate": None,
        "envoy": None,
    } | more


def status(**changes: object) -> MeshStatus:
    return MeshStatus(
        {
            "supervisor": {"pid": 1, "phase": "up", "directory": "/d", "run_dir": "/r", "began": NOW},
            "services": [service("citadel")],
            "workloads": [],
            "proxies": [],
            "objects": {"objects": [], "documents": []},
        }
        | changes
    )


def shown(found: MeshStatus) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    show(found, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def row(text: str, first: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


def test_services_say_why_they_are_not_ready():
    text = shown(
        status(
            services=[
                service("citadel"),
                service("pilot", reasons=("galley: not [connected]",)),
                service("galley", "died", ("ended with code 1: no more disk",)),
            ]
        )
    )
    assert row(text, "citadel") == ["citadel", "running", "100", "yes"]
    assert row(text, "pilot") == ["pilot", "running", "100", "no", "galley:", "not", "[connected]"]
    assert row(text, "galley") == [
        "galley",
        "died",
        "no",
        "ended",
        "with",
        "code",
        "1:",
        "no",
        "more",
        "disk",
    ]


def test_workloads_say_how_long_their_certificate_lives():
    text = shown(
        status(
            workloads=[
                workload("a", certificate={"not_after": "2999-01-01T00:00:00+00:00", "last_error": ""}),
                workload("b", "waiting-for-certificate", "Citadel does not answer"),
                workload("c", application={"state": "died", "pid": None, "reason": "ended by SIGKILL"}),
                workload("d", application=None, envoy={"pid": 300}),
                workload("e", certificate={"not_after": None, "last_error": "renewal: token expired"}),
            ]
        )
    )
    assert row(text, "a")[:4] == ["a", "127.0.2.1", "ready", "200"]
    assert row(text, "a")[5:] == ["h", "left"]
    assert row(text, "b")[2:] == ["waiting-for-certificate", "200", "Citadel", "does", "not", "answer"]
    assert row(text, "c")[2:] == ["died", "ended", "by", "SIGKILL"]
    assert row(text, "d")[2:4] == ["ready", "300"]
    assert row(text, "e")[-3:] == ["renewal:", "token", "expired"]


def test_objects_show_what_galley_and_pilot_made_of_them():
    text = shown(status(objects={"objects": [VIRTUAL_SERVICE, GATEWAY], "documents": [BROKEN]}))
    assert row(text, "Gateway/default/bookinfo")[2:] == ["published"]
    assert row(text, "VirtualService/default/reviews")[1:] == [
        "c9d2ae01b7f3",
        "last-good",
        "accepted",
        *["2", "of", "3,", "1", "refused"],
    ]
    assert (
        "reviews-route.yaml:9: VirtualService/default/reviews spec.http[0].route[0].destination.host: is missing [VS001]"
        in text
    )
    assert "x.yaml:2: not YAML" in text


def test_a_silent_galley_is_said():
    assert "not known: Galley does not answer" in shown(status(objects=None))


def test_what_pilot_refuses_is_a_problem_too():
    refused = GATEWAY | {"reports": {"pilot": {"accepted": False, "problems": [BROKEN | {"file": ""}]}}}
    assert problems({"objects": [refused]}) == ["Gateway/default/bookinfo: not YAML [YAML]"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "expired"),
        (0, "0 s left"),
        (119, "119 s left"),
        (120, "2 min left"),
        (7199, "119 min left"),
        (7200, "2 h left"),
    ],
)
def test_what_is_left_of_a_certificate(seconds, text):
    assert remaining(NOW + seconds, NOW) == text
    assert remaining(datetime.fromtimestamp(NOW + seconds, UTC).isoformat(), NOW) == text


def test_no_certificate_no_time():
    assert remaining(None, NOW) == ""


def test_the_view_answers_for_parts_and_for_silence():
    found = status(workloads=[workload("web")], proxies=None)
    assert found.part("citadel").ready
    assert found.part("web").pid == 200
    assert found.proxies == []
    assert json.dumps(found.raw)
    with pytest.raises(KeyError):
        found.part("nobody")


class DyingWhileAsked:
    """A probe whose service ends before it answers."""

    def __init__(self, child: Child) -> None:
        self.child = child

    async def ready(self, address: str) -> Readiness:
        self.child.state = State.DIED
        return Readiness(False, ("does not answer yet",))


async def test_a_service_that_dies_while_it_is_asked_is_told_with_its_last_words(monkeypatch):
    child = Child("galley")
    child.state = State.RUNNING
    monkeypatch.setattr(child, "reason", lambda: "ended with code 3: no more disk" if child.state == "died" else "")
    supervisor = SimpleNamespace(
        process_of=lambda name: child,
        plan=SimpleNamespace(addresses={"galley": "127.0.0.11"}),
        probe=DyingWhileAsked(child),
    )
    found = await service_status(supervisor, "galley")
    assert (found["state"], found["ready"]) == ("died", False)
    assert found["reasons"] == ["ended with code 3: no more disk"]


REPORTS = [
    (None, False, ""),
    ({"written": 0, "lost": 0, "connected": False}, False, "0"),
    ({"written": 340, "lost": 0, "connected": True}, False, "340"),
    ({"written": 340, "lost": 0, "connected": False}, False, "340"),
    ({"written": 340, "lost": 0, "connected": False}, True, "340, Mixer away"),
    ({"written": 340, "lost": 12, "connected": True}, False, "12 of 340 lost"),
    ({"written": 340, "lost": 12, "connected": False}, False, "12 of 340 lost, not connected"),
    ({"written": 340, "lost": 12, "connected": False}, True, "12 of 340 lost, Mixer away"),
]


@pytest.mark.parametrize(("counted", "mixer_away", "expected"), REPORTS)
def test_what_became_of_a_proxys_reports(counted, mixer_away, expected):
    assert reports(counted, mixer_away=mixer_away) == expected
