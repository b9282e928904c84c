"""The tap of a Mixer that runs: what passes is seen, secrets are not, and who does not keep up loses lines and is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.debug.questions import questions_router
from flotilla_mixer.debug.secrets import MASK, masked
from flotilla_mixer.debug.tap import (
    KEPT_LINES,
    MOST_LISTENERS,
    SEEN_A_SECOND,
    Filter,
    FilterError,
    Listener,
    Tap,
    content_of,
)
from flotilla_mixer.kit.results import UNOPPOSED
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured, deny
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import Running
from flotilla_shared.model.expressions import VOCABULARY
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.readiness import Readiness

RULES = deny('(source.labels["version"] | "") == "v2"')
CLIENT = NativeClient(222)
BAG: dict[str, object] = {
    "context.reporter.kind": "inbound",
    "destination.namespace": "default",
    "destination.workload.name": "ratings-v1",
    "source.labels": {"version": "v2"},
    "request.path": "/ratings?api_key=abc&id=3",
    "request.headers": {"authorization": "Bearer abc", "cookie": "a=b", "x-api-key": "k", "x-request-id": "1"},
    "request.api_key": "abc",
}


class Served:
    """A tap and its pages on a port, and a table that calls pass."""

    def __init__(self) -> None:
        self.tap = Tap()
        self.swap = Swap("istio-system")
        self.table = self.swap.put(configured(RULES))
        router = questions_router(lambda: self.swap.table, self.tap)
        self.server = HttpServer(introspection_app("mixer", {}, Readiness(), {}, router), "127.0.0.1", 0)
        self.http = httpx.AsyncClient(trust_env=False, timeout=20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports[0]}"

    async def listening(self) -> None:
        """Returns when somebody listens."""
        while not self.tap.open:
            await asyncio.sleep(0)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    made = Served()
    await made.server.start()
    yield made
    await made.tap.stop()
    await made.http.aclose()
    await made.server.stop()
    await made.swap.stop()


async def read(served: Served, count: int, act: Callable[[], None], **query: str) -> list[dict[str, Any]]:
    """The first lines that are shown, once `act` was done with somebody listening."""
    found: list[dict[str, Any]] = []
    async with served.http.stream("GET", f"{served.url}/debug/tap", params=query) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        await served.listening()
        act()
        async for text in answer.aiter_lines():
            found.append(json.loads(text))
            if len(found) == count:
                break
    while served.tap.open:
        await asyncio.sleep(0.01)
    return found


async def test_checks_and_reports_pass_with_their_rules_and_without_secrets(served: Served) -> None:
    def act() -> None:
        served.tap.check(served.table, "default", BAG, UNOPPOSED)
        served.tap.check(served.table, "default", BAG, "it failed")
        served.tap.report(served.table, "default", BAG)

    one, two, three = await read(served, 3, act)
    assert (one["kind"], one["verdict"]["status"], one["rules"]) == ("check", "OK", ["default/deny"])
    assert (two["verdict"], three["kind"], three["rules"]) == ({"error": "it failed"}, "report", [])
    assert "verdict" not in three
    shown = one["attributes"]
    assert shown["request.path"] == f"/ratings?api_key={MASK}&id=3"
    assert shown["request.headers"] == {"authorization": MASK, "cookie": MASK, "x-api-key": MASK, "x-request-id": "1"}
    assert shown["request.api_key"] == MASK
    assert "abc" not in json.dumps(one)


async def test_a_browser_gets_a_page_and_then_events(served: Served) -> None:
    page = await served.http.get(f"{served.url}/debug/tap?kind=check", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert '"/debug/tap" + "?kind=check"' in page.text
    hostile = await served.http.get(f"{served.url}/debug/tap?rule=</script><script>", headers={"accept": "text/html"})
    assert hostile.text.count("<script>") == 1
    index = await served.http.get(served.url)
    assert 'href="/debug/tap"' in index.text
    headers = {"accept": "text/event-stream"}
    async with served.http.stream("GET", f"{served.url}/debug/tap", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        await served.listening()
        served.tap.report(served.table, "default", BAG)
        async for text in answer.aiter_lines():
            assert text.startswith("data: {")
            break


FILTERS = [
    ({}, ["check", "report"]),
    ({"kind": "report"}, ["report"]),
    ({"rule": "deny"}, ["check"]),
    ({"rule": "default/deny"}, ["check"]),
    ({"rule": "other"}, []),
    ({"namespace": "default"}, ["check", "report"]),
    ({"namespace": "other"}, []),
    ({"workload": "ratings-v1"}, ["check", "report"]),
    ({"workload": "reviews"}, []),
    ({"match": 'request.path.startsWith("/ratings")'}, ["check", "report"]),
    ({"match": 'request.path == "/"'}, []),
    ({"match": "request.size > 3"}, []),  # it is absent
]


@pytest.mark.parametrize(("query", "kinds"), FILTERS)
async def test_a_listener_sees_what_it_asked_for(query: dict[str, str], kinds: list[str]) -> None:
    tap, table = Tap(), Swap("istio-system").put(configured(RULES))
    listener = tap.listen(Filter.read(query, VOCABULARY))
    tap.check(table, "default", BAG, UNOPPOSED)
    tap.report(table, "default", BAG)
    listener.close()
    assert [line["kind"] async for line in listener.lines()] == kinds


WRONG = [
    ({"color": "red"}, "no filter 'color'"),
    ({"kind": "quota"}, "check or report"),
    ({"match": "request.path =="}, "match: expected"),
    ({"match": "request.path"}, "must be BOOL"),
    ({"rate": "0"}, "whole number"),
    ({"rate": "many"}, "whole number"),
    ({"rate": "9999999999999999999999"}, "whole number"),
    ({"rate": "²"}, "whole number"),
]


@pytest.mark.parametrize(("query", "said"), WRONG)
async def test_what_is_no_filter_is_refused(served: Served, query: dict[str, str], said: str) -> None:
    with pytest.raises(FilterError, match=said):
        Filter.read(query, VOCABULARY)
    answer = await served.http.get(f"{served.url}/debug/tap", params=query)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True)
    assert not served.tap.open


async def test_so_many_may_listen(served: Served) -> None:
    listeners = [served.tap.listen(Filter()) for _ in range(MOST_LISTENERS)]
    assert (await served.http.get(f"{served.url}/debug/tap")).status_code == 429
    for listener in listeners:
        served.tap.leave(listener)
        served.tap.leave(listener)
    assert not served.tap.open


async def test_who_does_not_read_loses_lines_and_is_told() -> None:
    now = 0.0
    listener = Listener(Filter(rate=1000), lambda: now)
    for number in range(KEPT_LINES + 10):
        listener.offer({"kind": "report", "number": number})
    listener.close()
    lines = [line async for line in listener.lines()]
    assert len(lines) == KEPT_LINES
    assert lines[0]["lost"] == 10
    assert sum(line.get("lost", 0) for line in lines) == 10


async def test_more_than_its_rate_is_left_out_and_counted() -> None:
    now = 0.0
    listener = Listener(Filter(rate=3), lambda: now)
    for _ in range(5):
        listener.offer({"kind": "report"})
    now = 1.0
    listener.offer({"kind": "report"})
    listener.close()
    lines = [line async for line in listener.lines()]
    assert (len(lines), lines[0]["lost"]) == (4, 2)


async def test_the_work_for_all_listeners_is_bounded() -> None:
    now = 0.0
    tap, table = Tap(lambda: now), Swap("istio-system").put(configured(RULES))
    one, other = tap.listen(Filter(rule="nothing")), tap.listen(Filter(rule="nothing"))
    for _ in range(SEEN_A_SECOND + 50):
        tap.report(table, "default", {})
    assert (one.lost, other.lost) == (50, 50)
    now = 1.0
    tap.report(table, "default", {})
    assert one.lost == 50


async def test_a_tap_that_stops_ends_its_streams(served: Served) -> None:
    async with served.http.stream("GET", f"{served.url}/debug/tap") as answer:
        await served.listening()
        await served.tap.stop()
        assert [line async for line in answer.aiter_lines()] == []


async def test_explanations_are_asked_as_json(served: Served) -> None:
    question = {"attributes": {"destination.namespace": {"type": "STRING", "value": "default"}}}
    found = (await served.http.post(f"{served.url}/debug/check", json=question)).json()
    assert found["result"]["status"] == "OK"
    assert (await served.http.post(f"{served.url}/debug/report", json=question)).json()["asked"] == []
    text = {"content-type": "text/plain"}
    assert (await served.http.post(f"{served.url}/debug/check", content="{}", headers=text)).status_code == 415
    as_json = {"content-type": "application/json"}
    for body in ("{", "[" * 100_000, "3", '{"attributes": 3}', b"\xff"):
        answer = await served.http.post(f"{served.url}/debug/check", content=body, headers=as_json)
        assert (answer.status_code, "error" in answer.json()) == (400, True), body
    long = b'"' + b"x" * (5 * 1024 * 1024) + b'"'
    assert (await served.http.post(f"{served.url}/debug/check", content=long, headers=as_json)).status_code == 413


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9876", "127.0.0.1.evil.example"])
async def test_a_foreign_name_is_not_answered(served: Served, host: str) -> None:
    for method, path in (("GET", "tap"), ("POST", "check"), ("POST", "report")):
        answer = await served.http.request(method, f"{served.url}/debug/{path}", headers={"host": host}, json={})
        assert answer.status_code == 403
    assert not served.tap.open


async def test_before_there_is_a_configuration(served: Served) -> None:
    served.swap.table = None
    assert (await served.http.get(f"{served.url}/debug/tap")).status_code == 503
    assert (await served.http.post(f"{served.url}/debug/check", json={})).status_code == 503


async def test_what_a_whole_mixer_lets_pass(running: Running) -> None:
    """The native API, ext_authz and access logs, each through its own server."""
    await running.put(RULES)
    tap = running.mixer.tap
    listener = tap.listen(Filter())
    plain = running.mixer.plaintext
    assert plain is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plain.bound_port}") as channel:
        response = await CLIENT.check(channel, CLIENT.check_request(BAG))
        assert response.precondition.status.code == 7
        await CLIENT.report(channel, CLIENT.report_request([BAG, BAG]))
    await running.check(request={"http": {"path": "/x", "method": "GET", "headers": {"cookie": "a=b"}}})
    await running.report({"request": {"path": "/y"}})
    tap.leave(listener)
    listener.close()
    lines = [line async for line in listener.lines()]
    assert [line["kind"] for line in lines] == ["check", "report", "report", "check", "report"]
    assert lines[0]["verdict"]["status"] == "PERMISSION_DENIED"
    assert (lines[3]["attributes"]["request.path"], lines[3]["attributes"]["request.headers"]) == (
        "/x",
        {"cookie": MASK},
    )
    assert lines[4]["attributes"]["request.path"] == "/y"


def test_looking_on_leaves_no_trace() -> None:
    """What a decision rests on is what was asked for it, and not what was shown."""
    bag = RequestBag(encode(BAG, global_dictionary(), 222), global_dictionary())
    assert content_of(bag) == BAG
    assert bag.asked == {}


NAMES = st.sampled_from(
    ["authorization", "Cookie", "set-cookie", "X-Api-Key", "x-auth-token", "api_key", "password", "key"]
)


@given(NAMES, st.text(alphabet="abc%", min_size=1, max_size=20))
def test_secrets_are_masked_wherever_they_stand(name: str, value: str) -> None:
    secret = f"s3cret{value}"
    bag = {
        "request.headers": {
            name: secret,
            ":path": f"/x?a=1&{name}={secret}#f",
            "referer": f"http://h/?{name}={secret}",
        },
        "request.query_params": {name: secret},
        "request.path": f"/x?{name}={secret}&b=2",
        "request.referer": f"http://h/?a=1;{name}={secret}",
        "request.api_key": secret,
        "request.auth.raw_claims": secret,
        "request.auth.claims": {name: secret},
    }
    assert "s3cret" not in json.dumps(masked(bag))


def test_what_is_no_secret_is_shown() -> None:
    bag = {
        "request.headers": {":authority": "a", "x-request-id": "1", "user-agent": "c"},
        "request.path": "/x?id=3",
        "n": 3,
    }
    assert masked(bag) == bag
