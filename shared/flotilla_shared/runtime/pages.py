"""Plain data as a page for people: lists of objects become tables, objects become lists of fields. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:100rem;margin:2rem auto;padding:0 1rem;color:#223}"
    "table{border-collapse:collapse;margin:.2rem 0}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;"
    "border-bottom:1px solid #dde}thead th{color:#556;font-weight:normal}b{color:#556;font-weight:normal}"
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


def shown(value: Any) -> str:
    """JSON-like data as HTML: sections, tables, and text in their cells. Everything in it is escaped."""
    if isinstance(value, Mapping):
        return _sections(value) if any(map(_is_table, value.values())) else fields(_rows(value))
    if _is_table(value):
        return _table(value)
    return f"<p>{inline(value) or 'None.'}</p>"


def inline(value: Any) -> str:
    """The same within a line. What is empty is left out of objects."""
    if isinstance(value, Mapping):
        pairs = ((html.escape(str(name)), inline(inner)) for name, inner in value.items())
        return "; ".join(f"<b>{name}</b> {text}" for name, text in pairs if text)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(f"({inline(item)})" if isinstance(item, Mapping) else inline(item) for item in value)
    return "" if value is None else html.escape(_scalar(value))


def _is_table(value: Any) -> bool:
    """A list of objects."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return is_list and bool(value) and all(isinstance(item, Mapping) for item in value)


def _rows(value: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return ((str(name), inline(inner)) for name, inner in value.items())


def _sections(value: Mapping[str, Any]) -> str:
    return "".join(f"<h2>{html.escape(str(name))}</h2>{shown(inner)}" for name, inner in value.items())


def _table(value: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for item in value for name in item))
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in columns)
    rows = "".join(f"<tr>{''.join(f'<td>{inline(item.get(name))}</td>' for name in columns)}</tr>" for item in value)
    return f"<table><thead><tr>{head}</tr></thead>{rows}</table>"


def _scalar(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
