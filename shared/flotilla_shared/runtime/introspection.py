"""Pages about a service's inside, on loopback only: a readable index, and topics as JSON."""

from __future__ import annotations

import html
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from flotilla_shared.runtime.monitoring import version_info
from flotilla_shared.runtime.readiness import Readiness

Topic = Callable[..., object]

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#223}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #dde}"
    ".met{color:#176b2c}.unmet{color:#a3200d}code{background:#f2f4f8;padding:0 .2rem}"
)


def introspection_app(
    service: str, settings_view: Mapping[str, object], readiness: Readiness, topics: Mapping[str, Topic]
) -> FastAPI:
    """`GET /` for people, `GET /debug/<topic>` for tools.

    A topic is called for every request, on the loop: it must be quick and give plain data. One that takes an
    argument gets the query as a dict of strings. `settings_view` is what `describe` gives: secrets masked.
    """
    app = FastAPI(title=f"{service} introspection", openapi_url=None)
    began = time.time()

    @app.get("/")
    async def _index() -> Response:
        return HTMLResponse(_page(service, settings_view, readiness, topics, time.time() - began))

    @app.get("/debug/{topic}")
    async def _topic(topic: str, request: Request) -> Response:
        found = topics.get(topic)
        if found is None:
            known = ", ".join(sorted(topics))
            return JSONResponse({"error": f"there is no topic {topic}; there are: {known}"}, status_code=404)
        return JSONResponse(_ask(found, dict(request.query_params)))

    return app


def _ask(topic: Topic, query: dict[str, str]) -> Any:
    return topic(query) if inspect.signature(topic).parameters else topic()


def _page(
    service: str,
    settings: Mapping[str, object],
    readiness: Readiness,
    topics: Mapping[str, Topic],
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
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(service)}</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(service)}</h1>"
        f"<p>{'Ready.' if readiness.ready else 'Not ready.'}</p>{_table(conditions)}"
        f"<h2>Topics</h2><ul>{links}</ul>"
        f"<h2>About</h2>{_table([(name, html.escape(str(value))) for name, value in about])}"
        f"<h2>Settings</h2>{_table([(name, _code(value)) for name, value in settings.items()])}</html>"
    )


def _table(rows: list[tuple[str, str]]) -> str:
    """Names are escaped here; values are HTML already."""
    body = "".join(f"<tr><th>{html.escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{body}</table>"


def _code(value: object) -> str:
    return f"<code>{html.escape(str(value))}</code>"
