"""Pages about a service's inside: what people see, what tools get, and that nothing in them is taken for HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.pages import shown
from flotilla_shared.runtime.readiness import Readiness

BROWSER = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
TOPICS: dict[str, Callable[..., object]] = {
    "objects": lambda: [{"name": "a", "ok": True}, {"name": "b", "problems": [{"text": "<b>no</b>"}]}],
    "echo": lambda query: query,
    "empty": lambda: [],
}


async def get(path: str, headers: dict[str, str] | None = None, readiness: Readiness | None = None) -> httpx.Response:
    app = introspection_app("galley", {"log_level": "<info>"}, readiness or Readiness(), TOPICS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path, headers=headers)


async def test_the_front_page() -> None:
    readiness = Readiness()
    readiness.condition("certificate").met()
    readiness.condition("configuration").unmet("waiting for <Galley>")
    text = (await get("/", BROWSER, readiness)).text
    assert "Not ready." in text
    assert '<th>certificate</th><td><span class="met">met</span>' in text
    assert '<span class="unmet">waiting for &lt;Galley&gt;</span>' in text
    assert re.findall(r'href="(/debug/\w+)"', text) == ["/debug/echo", "/debug/empty", "/debug/objects"]
    assert "<code>&lt;info&gt;</code>" in text


@pytest.mark.parametrize(
    ("path", "headers"), [("/debug/objects", None), ("/debug/objects?format=json", BROWSER)], ids=["tool", "asked for"]
)
async def test_tools_get_json(path: str, headers: dict[str, str] | None) -> None:
    assert (await get(path, headers)).json() == TOPICS["objects"]()


async def test_browsers_get_a_table_with_a_column_for_each_field() -> None:
    answer = await get("/debug/objects", BROWSER)
    assert answer.headers["content-type"].startswith("text/html")
    assert "<thead><tr><th>name</th><th>ok</th><th>problems</th></tr></thead>" in answer.text
    assert "<td>a</td><td>yes</td><td></td>" in answer.text
    assert "&lt;b&gt;no&lt;/b&gt;" in answer.text


async def test_nothing_is_said_to_be_none() -> None:
    assert "None." in (await get("/debug/empty", BROWSER)).text


async def test_a_query_reaches_the_topic_and_the_link_to_its_json() -> None:
    assert (await get("/debug/echo?name=x&format=json")).json() == {"name": "x"}
    text = (await get('/debug/echo?name="><script>', BROWSER)).text
    assert "<script" not in text
    assert 'format=json">as JSON' in text


async def test_an_unknown_topic_names_the_known_ones() -> None:
    answer = await get("/debug/nothing", BROWSER)
    assert (answer.status_code, answer.json()["error"]) == (
        404,
        "there is no topic nothing; there are: echo, empty, objects",
    )


class Balanced(HTMLParser):
    """Text and tags of a piece of HTML; whether every tag that was opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


words = st.text("ab<>&\"'/", max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=12,
)


@given(plain)
def test_any_data_is_escaped_and_well_formed(value: Any) -> None:
    parser = Balanced()
    parser.feed(shown(value))
    parser.close()
    assert parser.open == []
    assert parser.tags <= {"table", "thead", "tr", "th", "td", "h2", "p", "b"}


@given(st.lists(words, min_size=1), st.integers(0, 6))
def test_every_word_is_there_however_deep(names: list[str], depth: int) -> None:
    value: Any = names
    for level in range(depth):
        value = {"level": value} if level % 2 else [{"level": value}]
    parser = Balanced()
    parser.feed(shown(value))
    assert all(name in parser.text for name in names)
