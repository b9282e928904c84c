"""Plain data as a page for people: lists of objects become tables, objects become lists of fields. Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_DEPTH = 4  # what lies deeper is shown as JSON

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#223}"
    "table{border-collapse:collapse;margin:.2rem 0}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;"
    "border-bottom:1px solid #dde;overflow-wrap:anywhere}th{overflow-wrap:normal}thead th{color:#556;font-weight:normal}"
    ".met{color:#176b2c}.unmet{color:#a3200d}code{background:#f2f4f8;padding:0 .2rem}nav{color:#556}"
)


def page(title: str, *parts: str) -> str:
    """A whole page; `parts` are HTML already."""
    name = html.escape(title)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>"
        f"<style>{_STYLE}</style><h1>{name}</h1>{''.join(parts)}</html>"
    )


def fields(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values. Names are escaped here; values are HTML already."""
    body = "".join(f"<tr><th>{html.escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
    return f"<table>{body}</table>"


def code(value: object) -> str:
    return f"<code>{html.escape(str(value))}</code>"


def shown(value: Any, depth: int = 0) -> str:
    """JSON-like data as HTML. Everything in it is escaped."""
    if isinstance(value, Mapping):
        return _object(value, depth)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return _list(value, depth)
    return "" if value is None or value == "" else html.escape(_scalar(value))


def _object(value: Mapping[str, Any], depth: int) -> str:
    if not value:
        return ""
    if depth >= MAX_DEPTH:
        return _json(value)
    return fields((str(name), shown(inner, depth + 1)) for name, inner in value.items())


def _list(value: Sequence[Any], depth: int) -> str:
    if not value:
        return "" if depth else "<p>None.</p>"
    if not all(isinstance(item, Mapping) for item in value):
        return ", ".join(shown(item, depth + 1) for item in value)
    if depth >= MAX_DEPTH:
        return _json(value)
    columns = list(dict.fromkeys(str(name) for item in value for name in item))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{shown(item.get(name), depth + 1)}</td>' for name in columns)}</tr>" for item in value
    )
    return f"<table><thead><tr>{head}</tr></thead>{rows}</table>"


def _scalar(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _json(value: object) -> str:
    return code(json.dumps(value, default=str))
