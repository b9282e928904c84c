"""The demo's parts: the stage, the traffic, the reader. The walk itself is an end-to-end test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from flotilla_cli.demo import routes
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.steps import STEPS, last_request, speak_plaintext
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.demo.walk import example_copy
from flotilla_cli.errors import Refused
from flotilla_cli.plan.plan import read_plan


class Pages(BaseHTTPRequestHandler):
    """Answers pages in turn: versions of reviews, or a status."""

    answers: list[str | int]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        answers = type(self).answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        status = answer if isinstance(answer, int) else 200
        text = "Error fetching product reviews!" if answer == "" else f"Reviews served by: reviews-{answer}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[tuple[type[Pages], str]]:
    handler = type("Handler", (Pages,), {"answers": ["v1"]})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def printed() -> list[str]:
    return []


@pytest.fixture
def stage(printed: list[str]) -> Stage:
    return Stage(printed.append, color=False)


def test_a_stage_counts_what_held(stage, printed):
    with stage.step("First"):
        stage.did("curl x")
        stage.saw("one\ntwo")
        stage.check("it answers", True, 200)
    with stage.step("Second"):
        stage.check("it stays", False)
    assert "".join(printed) == (
        "\n1. First\n   $ curl x\n     one\n     two\n   ok   it answers  [200]\n\n2. Second\n   FAIL it stays\n"
    )
    assert (stage.held, stage.failed) == (1, ["it stays"])
    assert not stage.verdict()
    assert "1 checks did not hold" in printed[-2]


def test_a_step_that_breaks_off_has_not_held_and_the_next_follows(stage):
    with stage.step("Broken"):
        raise Refused("the agent does not answer")
    with stage.step("Next"):
        stage.check("goes on", True)
    assert stage.failed == ["Broken: Refused: the agent does not answer"]
    assert stage.held == 1


def test_colors_are_for_terminals():
    printed: list[str] = []
    Stage(printed.append, color=True).check("x", True)
    assert "\033[32mok  \033[0m" in printed[0]


def test_traffic_counts_good_pages_and_notes_the_others(pages):
    handler, url = pages
    handler.answers = ["v1", 503, "", "v2"]
    with Traffic(url, pause_seconds=0.001) as traffic:
        assert traffic.wait_for_more(3)
    told = [failure.split(" ", 1)[1].split(" after ")[0] for failure in traffic.failures]
    assert told == ["503", "200 without reviews"]


def test_traffic_notes_a_refused_connection(nobody):
    with Traffic(f"http://{nobody}", pause_seconds=0.001) as traffic:
        while not traffic.failures:
            time.sleep(0.001)
        assert not traffic.wait_for_more(1, seconds=0.01)
    assert "ConnectError" in traffic.failures[0]


@pytest.fixture
def nobody(pages) -> str:
    """An address where nobody listens: port 1 of a loopback address of nobody's."""
    return "127.255.0.1:1"


def test_a_reader_counts_versions(pages):
    handler, url = pages
    handler.answers = ["v1", "v3", "v3", ""]
    reader = Reader(url)
    try:
        assert reader.versions(4) == {"v1": 1, "v3": 2, "none": 1}
    finally:
        reader.close()


def test_plaintext_is_answered_by_who_speaks_it_and_not_by_others(pages, nobody):
    _, url = pages
    host, _, port = url.removeprefix("http://").partition(":")
    assert speak_plaintext(host, int(port)).startswith(b"HTTP/1.1 200")
    assert speak_plaintext("127.255.0.1", 1) == b""


def test_the_last_request_in_a_log():
    log = "\n".join(["starting", json.dumps({"path": "/a", "n": 1}), json.dumps({"path": "/a", "n": 2}), "{}"])
    assert last_request(log, "/a")["n"] == 2
    with pytest.raises(LookupError):
        last_request(log, "/b")


@pytest.mark.parametrize("text", [routes.SHIFTED, routes.INVALID, routes.EVERYBODY_V1])
def test_the_demos_routes_are_one_object_of_the_file_that_they_replace(text):
    (written,) = yaml.safe_load_all(text)
    with example_copy() as directory:
        (original,) = yaml.safe_load_all((directory / "config" / routes.FILE).read_text())
    assert written["metadata"] == original["metadata"]
    assert written["spec"]["hosts"] == original["spec"]["hosts"]


def test_the_copy_is_a_mesh_and_goes_away():
    with example_copy() as directory:
        assert read_plan(directory).workload("details-v1")
    assert not directory.exists()


def test_every_step_has_a_title():
    assert all(step.__doc__ and step.__doc__.endswith(".") for step in STEPS)


def test_paused_traffic_asks_nothing_and_goes_on_afterwards(pages):
    handler, url = pages
    with Traffic(url, pause_seconds=0.001) as traffic:
        assert traffic.wait_for_more(3)
        with traffic.paused():
            handler.answers[:] = [500]
            before = traffic.answered
            assert not traffic.wait_for_more(1, seconds=0.1)
            handler.answers[:] = ["v1"]
        assert traffic.wait_for_more(3)
        assert traffic.answered > before
    assert traffic.failures == []
