"""The demo's steps about Mixer: who called whom, a denied call, Mixer away, and the four services in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.edges import Edge, edges
from flotilla_cli.example import copy_mesh, example_directory
from flotilla_cli.mesh import Mesh
from flotilla_cli.options import UpOptions
from flotilla_cli.status.table import reports

GATEWAY = "ingressgateway"
DENY = "deny-ratings.yaml"
REQUESTS = 40
PAGES = 10
REST_SECONDS = 1.3
EDGES = (
    (GATEWAY, "productpage-v1"),
    ("productpage-v1", "details-v1"),
    ("productpage-v1", "reviews-v3"),
    ("reviews-v3", "ratings-v1"),
)
SIDES = [(side, *edge) for edge in EDGES for side in ("source", "destination")]


def telemetry(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """Who called whom, as Mixer counts it from the reports of both sidecars."""
    with traffic.paused(), closing(Reader(mesh.gateway)) as reader:
        before = settled_calls(mesh)
        stage.did(f"for i in $(seq {PAGES}); do curl {mesh.gateway}/productpage; done")
        for _ in range(PAGES):
            reader.page()
        told = mesh.wait(
            lambda: found if min((found := _calls(mesh) - before)[key] for key in SIDES) >= PAGES else None,
            "reports of every edge",
        )
    stage.did(f"curl http://{mesh.plan.addresses['mixer']}:42422/metrics | grep istio_requests_total")
    for source, destination in EDGES:
        seen = [told[side, source, destination] for side in ("source", "destination")]
        stage.check(f"{source} -> {destination}: both sides tell of {PAGES}", seen == [PAGES, PAGES], seen)
    sent = edges(mesh.mixer_metrics(), "istio_tcp_sent_bytes_total")
    bytes_sent = sum(count for edge, count in sent.items() if edge.destination == "store-v1")
    stage.check("TCP too: what ratings' store has sent", bytes_sent > 0, f"{bytes_sent} bytes")


def _calls(mesh: Mesh) -> Counter[tuple[str, str, str]]:
    """Calls by who tells of them, from whom and to whom."""
    found: Counter[tuple[str, str, str]] = Counter()
    for edge, count in edges(mesh.mixer_metrics()).items():
        found[edge.reporter, edge.source, edge.destination] += count
    return found


def settled_calls(mesh: Mesh) -> Counter[tuple[str, str, str]]:
    """The calls when nothing more comes: Envoys keep what they report for up to a second."""
    found, since = _calls(mesh), time.monotonic()
    while time.monotonic() - since < REST_SECONDS:
        time.sleep(0.1)
        now = _calls(mesh)
        if now != found:
            found, since = now, time.monotonic()
    return found


def denial(mesh: Mesh, stage: Stage, _: Traffic) -> None:
    """A rule denies ratings to reviews v3 alone, though all versions of reviews share a service account."""
    rule = (mesh.plan.directory / "play" / DENY).read_text().replace('== "v2"', '== "v3"')
    file = mesh.write(DENY, rule)
    stage.did(f"cp play/{DENY} config/   # for v3 instead of v2")
    mesh.wait_applied("rule", "default", "deny-ratings")
    with closing(Reader(mesh.gateway)) as reader:
        denied = reader.page().text
        stage.check("the page goes without stars", "stars red" not in denied)
        codes = {
            edge.code
            for edge in _reported(mesh, 403)
            if (edge.source, edge.destination) == ("reviews-v3", "ratings-v1")
        }
        stage.check("the denial is reported with its code", codes == {403}, codes)
        file.unlink()
        stage.did(f"rm config/{DENY}")
        mesh.wait(lambda: "stars red" in reader.page().text, "the stars")
        stage.check("without the rule the stars are back", True)


def _reported(mesh: Mesh, code: int) -> Counter[Edge]:
    """The edges with this response code, once there are some."""
    return mesh.wait(
        lambda: Counter({edge: n for edge, n in edges(mesh.mixer_metrics()).items() if edge.code == code}) or None,
        f"a report of {code}",
    )


def without_mixer(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """Mixer is stopped: policy fails closed, as the mesh configuration says, and lost reports are counted."""
    with traffic.paused(), closing(Reader(mesh.gateway)) as reader:
        before = _lost(mesh)
        stage.did("flotilla stop mixer")
        mesh.stop("mixer")
        codes = Counter(reader.page().status_code for _ in range(5))
        stage.check("nobody passes unasked", set(codes) == {503}, dict(codes))
        mesh.wait(lambda: _lost(mesh) >= before + 5, "the loss to be counted")
        stage.did("flotilla status")
        stage.saw(f"{GATEWAY}  reports {reports(mesh.status().workload(GATEWAY)['reports'], mixer_away=True)}")
        stage.check("what the gateway could not report is counted", True, _lost(mesh) - before)
        stage.did("flotilla start mixer")
        mesh.start("mixer")
        mesh.wait_ready("mixer")
        mesh.wait(lambda: reader.page().status_code == 200, "the page")
        stage.check("Mixer is back, and so is the page", True)
        mesh.wait(lambda: edges(mesh.mixer_metrics()), "reports")
        stage.check("reports come again", True)


def _lost(mesh: Mesh) -> int:
    return int(mesh.status().workload(GATEWAY)["reports"]["lost"])


def monolith(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """The same four services in one process, as a second mesh beside this one."""
    with traffic.paused():
        four, memory = _latency(mesh), _memory(mesh)
    with _second_mesh() as other, traffic.paused():
        stage.did("flotilla monolith")
        one, its = _latency(other), _memory(other)
        pids = {part.pid for name, part in other.status().services.items() if name != "agent"}
        stage.check("its control plane is one process", len(pids) == 1, pids)
        stage.check("its gateway answers", one > 0)
    stage.saw(f"control plane   four services: {memory:5.0f} MiB    monolith: {its:5.0f} MiB")
    stage.saw(f"page, median    four services: {four * 1000:5.1f} ms     monolith: {one * 1000:5.1f} ms")


@contextmanager
def _second_mesh() -> Iterator[Mesh]:
    with tempfile.TemporaryDirectory(prefix="fd", ignore_cleanup_errors=True) as folder:
        directory = copy_mesh(example_directory(), Path(folder) / "local", block=7)
        with Mesh.up(directory, UpOptions(run_dir=Path(folder) / "r", monolith=True)) as mesh:
            yield mesh


def _latency(mesh: Mesh) -> float:
    """The median of some pages, in seconds; 0 where one of them failed."""
    times = []
    with closing(Reader(mesh.gateway)) as reader:
        reader.versions(PAGES)  # the first ones open connections everywhere
        for _ in range(REQUESTS):
            began = time.perf_counter()
            if reader.page().status_code != 200:
                return 0.0
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _memory(mesh: Mesh) -> float:
    """MiB of the processes of the control plane; pages that they share count once for each of them in part."""
    pids = {part.pid for name, part in mesh.status().services.items() if name != "agent"}
    return sum(_proportional(pid) for pid in pids if pid) / 1024


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
