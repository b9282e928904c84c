"""The demo's steps, in order. Each takes the mesh, the stage and the traffic that runs all the while."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any

from flotilla_cli.commands import explain, trace_change
from flotilla_cli.demo import mixer_steps, routes
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.mesh import Mesh
from flotilla_cli.parser import build_parser
from flotilla_cli.status.table import show as show_status

REVIEWS = ("VirtualService", "default", "reviews")
NAME = "/".join(REVIEWS)
Step = Callable[[Mesh, Stage, Traffic], None]


def page(mesh: Mesh, stage: Stage, _: Traffic) -> None:
    """A page through the gateway."""
    stage.did(f"curl {mesh.gateway}/productpage")
    with closing(Reader(mesh.gateway)) as reader:
        response = reader.page()
    stage.check("the gateway answers 200", response.status_code == 200, response.status_code)
    for application, piece in (
        ("productpage", "The Comedy of Errors"),
        ("details", "PublisherA"),
        ("reviews", "Reviews served by: reviews-v3"),
        ("ratings", 'class="stars red"'),
    ):
        stage.check(f"the page holds what {application} gave", piece in response.text, piece)


def identities(mesh: Mesh, stage: Stage, _: Traffic) -> None:
    """Who called whom, as the sidecars vouch for it."""
    for callee, path, caller in (
        ("productpage-v1", "/productpage", "ingressgateway"),
        ("details-v1", "/details/0", "productpage"),
        ("reviews-v3", "/reviews/0", "productpage"),
        ("ratings-v1", "/ratings/0", "reviews"),
    ):
        stage.did(f"flotilla logs {callee} | grep {path}")
        line = mesh.wait(partial(_logged, mesh, callee, path), f"{callee} to log {path}")
        expected = f"spiffe://cluster.local/ns/default/sa/bookinfo-{caller}"
        stage.saw(f"x-forwarded-client-cert: {line['forwarded_client_cert']}")
        stage.check(f"{callee} was called by {caller}, with mTLS", line["caller"] == expected, line["caller"])
    handshakes = sum(mesh.stats("details-v1", r"^listener\..*_9080\.ssl\.handshake$").values())
    stage.check("the sidecar of details counted TLS handshakes", handshakes > 0, handshakes)


def _logged(mesh: Mesh, callee: str, path: str) -> Mapping[str, Any] | None:
    """An application may answer before it has logged."""
    try:
        return last_request(mesh.log(callee), path)
    except LookupError:
        return None


def last_request(log: str, path: str) -> Mapping[str, Any]:
    """The last request for the path in an application's log; LookupError if there is none."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found = [line for line in lines if line.get("path") == path]
    if not found:
        raise LookupError(f"no request for {path} in the log")
    newest: Mapping[str, Any] = found[-1]
    return newest


def plaintext(mesh: Mesh, stage: Stage, _: Traffic) -> None:
    """Plaintext to a port that wants mTLS."""
    address = mesh.plan.workload("details-v1").address
    stage.did(f"curl http://{address}:9080/details/0")
    answer = speak_plaintext(address, 9080)
    stage.check("it is refused: no HTTP answer comes", answer == b"", answer or "connection reset")


def speak_plaintext(address: str, port: int) -> bytes:
    """What is answered to an HTTP request without TLS; b"" for a reset or a close."""
    try:
        with socket.create_connection((address, port), timeout=5) as connection:
            connection.sendall(b"GET /details/0 HTTP/1.1\r\nHost: details:9080\r\n\r\n")
            return connection.recv(1024)
    except ConnectionError:
        return b""


def shift(mesh: Mesh, stage: Stage, _: Traffic) -> None:
    """jason to reviews v2, everybody else half to v1 and half to v3."""
    before = mesh.trace(*REVIEWS).version
    file = mesh.write(routes.FILE, routes.SHIFTED)
    stage.did(f"edit {file}")
    trace = mesh.wait_applied(*REVIEWS, unlike=before)
    stage.did(f"flotilla trace-change {NAME}")
    trace_change.show(trace)
    stage.check("the trace is complete, from the file to every proxy's ack", trace.complete)
    stage.check("its hops are in order", trace.in_order)
    with closing(Reader(mesh.gateway, "jason")) as jason, closing(Reader(mesh.gateway)) as anybody:
        his, theirs = jason.versions(10), anybody.versions(200)
    stage.check("jason gets v2", set(his) == {"v2"}, dict(his))
    # Five times the deviation of 200 tosses of a coin: it does not miss by chance.
    even = set(theirs) == {"v1", "v3"} and all(60 <= count <= 140 for count in theirs.values())
    stage.check("the others get v1 and v3, half and half", even, dict(theirs))


def explained(mesh: Mesh, stage: Stage, _: Traffic) -> None:
    """Why does jason get v2? What was compiled says it, by file and line."""
    asked = "--from productpage-v1 --to reviews:9080/reviews/0 -H 'end-user: jason'"
    stage.did(f"flotilla explain {asked}")
    arguments = build_parser().parse_args(["explain", "--run-dir", str(mesh.run_dir), *shlex.split(asked)])
    sides, configuration = explain.explained(arguments)
    stage.saw(explain.as_text(sides, configuration.places))
    route = next(step for step in sides[0].steps if step.what == "route")
    said = [explain.named(key, configuration.places) for key in route.made_from]
    stage.check("the route is named by file and line", any(f"{routes.FILE}:" in each for each in said), said[0])
    there = [side.proxy for side in sides[1:]]
    stage.check("the call comes in at reviews-v2, and nowhere else", there == ["reviews-v2.default"], there)


def invalid(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """A VirtualService that cannot be right: a destination without a host."""
    file = mesh.write(routes.FILE, routes.INVALID)
    stage.did(f"edit {file}")
    refused = mesh.wait_object(*REVIEWS, lambda found: bool(found["problems"]))
    problem = refused["problems"][0]
    stage.saw(f"{problem['file']}:{problem['line']}: {NAME} {problem['field']}: {problem['text']}")
    stage.check("Galley names the field", "destination" in problem["field"], problem["field"])
    line = int(problem["line"] or 0)
    stage.check("Galley names file and line", str(problem["file"]).endswith(routes.FILE) and line > 0, line)
    stage.check("the last good version stays", refused["state"] == "last-good", refused["state"])
    stage.check("traffic goes on", traffic.wait_for_more(20))
    with closing(Reader(mesh.gateway, "jason")) as jason:
        his = jason.versions(5)
    stage.check("jason still gets v2", set(his) == {"v2"}, dict(his))
    mesh.write(routes.FILE, routes.SHIFTED)
    stage.did(f"edit {file}   # mend it")
    healed = mesh.wait_object(*REVIEWS, lambda found: not found["problems"])
    stage.check("it heals", healed["state"] == "published", healed["state"])


def without_pilot(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """Pilot is stopped; traffic goes on, and a change waits for it."""
    stage.did("flotilla stop pilot")
    mesh.stop("pilot")
    stage.check("traffic goes on without Pilot", traffic.wait_for_more(20))
    before = mesh.trace(*REVIEWS).version
    file = mesh.write(routes.FILE, routes.EVERYBODY_V1)
    stage.did(f"edit {file}   # everybody gets v1")
    mesh.wait_object(*REVIEWS, lambda found: found["version"] != before)
    with closing(Reader(mesh.gateway, "jason")) as jason:
        waiting = jason.versions(5)
        stage.check("the change waits: jason still gets v2", set(waiting) == {"v2"}, dict(waiting))
        stage.did("flotilla start pilot")
        mesh.start("pilot")
        mesh.wait_ready("pilot")
        mesh.wait_applied(*REVIEWS, unlike=before)
        # Each Envoy comes back to Pilot in its own time, within about a second.
        mesh.wait(lambda: set(jason.versions(3)) == {"v1"}, "the change to arrive")
        his = jason.versions(10)
    stage.check("the change has arrived: jason gets v1", set(his) == {"v1"}, dict(his))


def renewal(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """Certificates live for half a minute here, and are renewed at half their life."""
    before = serial(mesh)
    stage.did("flotilla status   # until the certificate of details is another one")
    after = mesh.wait(lambda: found if (found := serial(mesh)) != before else None, "a new certificate")
    stage.check("details has a new certificate", bool(after), f"serial {before[-8:]} -> {after[-8:]}")
    stage.check("traffic goes on", traffic.wait_for_more(20))


def serial(mesh: Mesh) -> str:
    certificate = mesh.status().workload("details-v1")["certificate"] or {}
    return str(certificate.get("serial") or "")


def sums(mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
    """The whole mesh at a glance."""
    stage.did("flotilla status")
    status = mesh.wait(lambda: settled(mesh), "all proxies to acknowledge")
    show_status(status)
    stage.check("every service and workload is ready", all_ready(mesh))
    rejected = {
        name: count
        for name in mesh.plan.workloads
        if mesh.plan.workload(name).start
        for count in [sum(mesh.stats(name, "update_rejected").values())]
        if count
    }
    stage.check("no Envoy has refused any configuration", not rejected, rejected or "update_rejected 0")
    failures = traffic.failures
    stage.check(
        f"of {traffic.answered + len(failures)} requests made meanwhile, none failed",
        not failures,
        "; ".join(failures[:3]) if failures else "",
    )


def settled(mesh: Mesh) -> Any:
    """The status, once every object's concerned proxies have acknowledged it; None before."""
    status = mesh.status()
    for item in status.objects:
        report = (item.get("reports") or {}).get("pilot") or {}
        if report.get("proxies_acknowledged", 0) < report.get("proxies_concerned", 0):
            return None
    return status if status.objects else None


def all_ready(mesh: Mesh) -> bool:
    status = mesh.status()
    started = [name for name, workload in mesh.plan.workloads.items() if workload.start]
    return all(part.ready for part in status.services.values()) and all(
        status.workloads[name].ready for name in started
    )


STEPS: tuple[Step, ...] = (
    page,
    identities,
    plaintext,
    mixer_steps.telemetry,
    mixer_steps.denial,
    mixer_steps.without_mixer,
    shift,
    explained,
    invalid,
    without_pilot,
    renewal,
    mixer_steps.monolith,
    sums,
)
