"""`flotilla status` for people: tables of services, workloads, and objects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flotilla_cli.status.proxies import acknowledged
from flotilla_cli.status.view import MeshStatus

WHY = "why not"
PIPE_WIDTH = 200  # of lines that no terminal breaks
STYLES = {"running": "green", "ready": "green", "died": "red", "failed": "red", "stopped": "yellow"}


def show(status: MeshStatus, console: Console | None = None) -> None:
    """Prints the tables. Standing next to each state that is not good: why."""
    console = console or terminal()
    about = status.raw["supervisor"]
    console.print(f"Mesh from {about['directory']}, {about['phase']}, supervisor pid {about['pid']}")
    console.print()
    console.print(services_table(status))
    console.print()
    console.print(workloads_table(status, time.time()))
    console.print()
    if status.raw["objects"] is None:
        console.print("What became of the configuration is not known: Galley does not answer.")
        return
    console.print(objects_table(status.objects))
    for line in problems(status.raw["objects"]):
        console.print(line, style="red", markup=False)


def terminal() -> Console:
    """Standard output; as wide as it is, or wide enough for a table where it is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def services_table(status: MeshStatus) -> Table:
    rows = [
        (
            service.name,
            _state(service.state),
            str(service.pid or ""),
            "yes" if service.ready else "no",
            escape(service.reason),
        )
        for service in status.services.values()
    ]
    return _table(("service", "state", "pid", "ready", WHY), rows)


def workloads_table(status: MeshStatus, now: float) -> Table:
    taken = {workload["name"]: workload for workload in status.raw["workloads"]}
    by_proxy = acknowledged(status.raw["proxies"])
    mixer = status.services.get("mixer")
    away = mixer is not None and not mixer.ready
    rows = []
    for name, part in status.workloads.items():
        workload = taken[name]
        certificate = workload["certificate"] or {}
        rows.append(
            (
                name,
                workload["address"],
                _state(part.state),
                str(part.pid or ""),
                remaining(certificate.get("not_after"), now),
                by_proxy.get(f"{name}.{workload['namespace']}", ""),
                _reports(workload.get("reports"), mixer_away=away),
                escape(part.reason or str(certificate.get("last_error") or "")),
            )
        )
    return _table(("workload", "address", "state", "pid", "certificate", "acknowledged", "reports", WHY), rows)


def reports(counted: Mapping[str, Any] | None, *, mixer_away: bool) -> str:
    """What became of a proxy's reports to Mixer: how many it wrote, and how many of them were lost.

    A proxy connects with its first report, so one that is not connected has not necessarily tried.
    """
    if not counted:
        return ""
    lost, written = counted["lost"], counted["written"]
    note = "" if counted["connected"] else ", Mixer away" if mixer_away else ", not connected" if lost else ""
    return f"{lost} of {written} lost{note}" if lost else f"{written}{note}"


def _reports(counted: Mapping[str, Any] | None, *, mixer_away: bool) -> str:
    shown = reports(counted, mixer_away=mixer_away)
    return f"[red]{shown}[/red]" if counted and counted["lost"] else shown


def objects_table(objects: Iterable[Mapping[str, Any]]) -> Table:
    rows = []
    for item in sorted(objects, key=lambda item: (item["kind"], item["namespace"], item["name"])):
        reports = item.get("reports") or {}
        report = reports.get("pilot") or reports.get("mixer") or {}
        name = f"{item['kind']}/{item['namespace']}/{item['name']}"
        rows.append((name, item["version"], _state(item["state"]), *_taken(report)))
    return _table(("object", "version", "Galley", "taken", "proxies"), rows)


def problems(answer: Any) -> list[str]:
    """A line for each problem of an object, and of a file that holds none."""
    if not isinstance(answer, Mapping):
        return []
    lines = []
    for item in answer.get("objects", ()):
        name = f"{item['kind']}/{item['namespace']}/{item['name']}"
        reports = (item.get("reports") or {}).values()
        reported = [problem for report in reports for problem in report.get("problems") or ()]
        lines += [_problem(name, problem) for problem in (*item.get("problems", ()), *reported)]
    return lines + [_problem("", problem) for problem in answer.get("documents", ())]


def remaining(not_after: object, now: float) -> str:
    """Until when a certificate is valid, as the time that is left: seconds since the epoch or ISO 8601 in."""
    if not not_after:
        return ""
    end = not_after if isinstance(not_after, int | float) else _parse(str(not_after))
    left = int(end - now)
    if left < 0:
        return "expired"
    if left < 120:
        return f"{left} s left"
    return f"{left // 60} min left" if left < 7200 else f"{left // 3600} h left"


def _parse(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _taken(report: Mapping[str, Any]) -> tuple[str, str]:
    if not report:
        return "", ""
    rejected = report.get("proxies_rejected") or 0
    concerned = report.get("proxies_concerned", 0)
    counts = f"{report.get('proxies_acknowledged', 0)} of {concerned}" if concerned else ""
    return "accepted" if report.get("accepted") else "refused", counts + (f", {rejected} refused" if rejected else "")


def _problem(name: str, problem: Mapping[str, Any]) -> str:
    place = f"{problem['file']}:{problem.get('line') or 0}: " if problem.get("file") else ""
    what = " ".join(filter(None, (name, problem.get("field"))))
    code = f" [{problem['code']}]" if problem.get("code") else ""  # the name of its page in docs/errors
    return f"{place}{what + ': ' if what else ''}{problem.get('text', '')}{code}"


def _state(state: str) -> str:
    style = STYLES.get(state)
    return f"[{style}]{state}[/{style}]" if style else state


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # Only reasons may be broken over lines: names are copied from here.
        table.add_column(column, overflow="fold", no_wrap=column != WHY)
    for row in rows:
        table.add_row(*row)
    return table
