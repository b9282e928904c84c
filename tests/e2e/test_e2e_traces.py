"""Traces: sidecars make ids, Mixer tells of every call with them, and one page of Bookinfo is one trace."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from flotilla_cli.mesh import Mesh
from flotilla_mixer.testing.zipkin_spans import read_spans

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(240)]

TREE = Path(__file__).parents[2]
PAGE = TREE / "services/mixer/flotilla_mixer/adapters/zipkin/README.md"
HOW_TO = TREE / "docs/how-to/zipkin.md"
CALLS = 4  # of a page; each is told by both sides
# Service and side, below service and side.
EXPECTED = {
    ("productpage SERVER", "ingressgateway CLIENT"),
    ("productpage CLIENT", "productpage SERVER"),
    ("details SERVER", "productpage CLIENT"),
    ("reviews SERVER", "productpage CLIENT"),
    ("reviews CLIENT", "reviews SERVER"),
    ("ratings SERVER", "reviews CLIENT"),
}


class Receiver:
    """Takes spans as strictly as Zipkin's schema is, and keeps them by trace."""

    def __init__(self) -> None:
        self.traces: dict[str, list[dict[str, Any]]] = {}
        self.wrong: list[str] = []
        receiver = self

        class Spans(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body, headers = self.rfile.read(int(self.headers["content-length"])), self.headers
                try:
                    spans = read_spans(body, headers["content-type"], headers.get("content-encoding", ""))
                except ValueError as error:
                    receiver.wrong.append(str(error))
                    spans = []
                for span in spans:
                    receiver.traces.setdefault(span["traceId"], []).append(span)
                self.send_response(202)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Spans)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


def block(page: Path, kind: str) -> str:
    """The block of YAML with an object of this kind, as a user reads it."""
    found = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S)
    return next(each for each in found if re.search(rf"^kind: {kind}$", each, re.M))


def side(span: dict[str, Any]) -> str:
    return f"{span['localEndpoint']['serviceName'].partition('-')[0]} {span['kind']}"


def links(spans: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    by_id = {span["id"]: span for span in spans}
    return {(side(span), side(by_id[span["parentId"]])) for span in spans if span.get("parentId") in by_id}


def test_a_page_is_one_trace(mesh: Mesh) -> None:
    """By the example of the adapter's page and the EnvoyFilter of the how-to, as they stand there."""
    receiver, caller = Receiver(), secrets.token_hex(8)
    rule = block(PAGE, "handler").replace("http://zipkin.istio-system:9411/api/v2/spans", receiver.url)
    with receiver.serving():
        mesh.write("zipkin.yaml", rule.replace("sampleProbability: 0.1", "flushDuration: 0.1s"))
        mesh.write("trace-ids.yaml", block(HOW_TO, "EnvoyFilter"))
        mesh.wait_applied("EnvoyFilter", "istio-system", "trace-ids")
        mesh.wait_applied("rule", "istio-system", "tell-zipkin")

        def whole() -> Sequence[dict[str, Any]]:
            """One more page, until one of them is told whole: connections from before have proxies without a tracer."""
            headers = {"x-b3-traceid": secrets.token_hex(16), "x-b3-spanid": caller, "x-b3-sampled": "1"}
            assert mesh.http.get(f"{mesh.gateway}/productpage", headers=headers).status_code == 200
            return next((found for found in list(receiver.traces.values()) if links(found) == EXPECTED), [])

        spans = mesh.wait(whole, "a page that is told whole")
    assert receiver.wrong == []
    assert len(spans) == 2 * CALLS
    (first,) = [span for span in spans if span.get("parentId") == caller]
    assert side(first) == "ingressgateway CLIENT", "the trace is the caller's, and begins at the gateway"
    assert {span["tags"]["http.status_code"] for span in spans} == {"200"}
