"""Pages about a service's inside, on loopback only: a readable index, and topics as JSON."""

from __future__ import annotations

import html
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.routing import APIRoute

from flotilla_shared.runtime.monitoring import version_info
from flotilla_shared.runtime.pages import code, fields, page, shown
from flotilla_shared.runtime.readiness import Readiness

Topic = Callable[..., object]


def introspection_app(
    service: str,
    settings_view: Mapping[str, object],
    readiness: Readiness,
    topics: Mapping[str, Topic],
    more: APIRouter | None = None,
) -> FastAPI:
    """`GET /` and, in a browser, `GET /debug/<topic>` are pages; tools, and `?format=json`, get topics as JSON.

    A topic is called for every request, on the loop: it must be quick and give plain data. One that takes an
    argument gets the query as a dict of strings. `settings_view` is what `describe` gives: secrets masked. `more` has
    routes of the service's own below /debug/: its pages are in the index too.
    """
    app = FastAPI(title=f"{service} introspection", openapi_url=None)
    began = time.time()
    names = [*topics, *_pages_of(more)]

    @app.get("/")
    async def _index() -> Response:
        return HTMLResponse(_page(service, settings_view, readiness, names, time.time() - began))

    if more is not None:
        app.include_router(more)

    @app.get("/debug/{topic}")
    async def _topic(topic: str, request: Request) -> Response:
        found = topics.get(topic)
        if found is None:
            known = ", ".join(sorted(topics))
            return JSONResponse({"error": f"there is no topic {topic}; there are: {known}"}, status_code=404)
        query = dict(request.query_params)
        as_json = query.pop("format", "") == "json" or "text/html" not in request.headers.get("accept", "")
        answer = _ask(found, query)
        return JSONResponse(answer) if as_json else HTMLResponse(_topic_page(service, topic, answer, request.url.query))

    return app


def _pages_of(router: APIRouter | None) -> list[str]:
    """The topics of a router that are pages."""
    routes = router.routes if router is not None else []
    paths = [route.path for route in routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())]
    return [path.removeprefix("/debug/") for path in paths]


def _ask(topic: Topic, query: dict[str, str]) -> Any:
    return topic(query) if inspect.signature(topic).parameters else topic()


def _topic_page(service: str, topic: str, answer: object, query: str) -> str:
    as_json = html.escape(f"?{query}&format=json" if query else "?format=json")
    return page(
        f"{service}: {topic}",
        f'<nav><a href="/">{html.escape(service)}</a> &middot; <a href="{as_json}">as JSON</a></nav>',
        shown(answer),
    )


def _page(
    service: str,
    settings: Mapping[str, object],
    readiness: Readiness,
    topics: Iterable[str],
    uptime_seconds: float,
) -> str:
    reasons = readiness.unmet_reasons()
    conditions = [
        (
            name,
            f'<span class="{"unmet" if name in reasons else "met"}">{html.escape(reasons.get(name) or "met")}</span>',
        )
        for name in readiness.conditions
    ]
    about = [*version_info().items(), ("up for", f"{uptime_seconds:.0f} s")]
    links = "".join(f'<li><a href="/debug/{html.escape(name)}">{html.escape(name)}</a></li>' for name in sorted(topics))
    return page(
        service,
        f"<p>{'Ready.' if readiness.ready else 'Not ready.'}</p>{fields(conditions)}",
        f"<h2>Topics</h2><ul>{links}</ul>",
        f"<h2>About</h2>{fields((name, html.escape(str(value))) for name, value in about)}",
        f"<h2>Settings</h2>{fields((name, code(value)) for name, value in settings.items())}",
    )
