"""The end of a log file, for people."""

from __future__ import annotations

import json
from pathlib import Path

TAIL_BYTES = 8192
WIDTH = 300
NOISE = frozenset(("event", "level", "timestamp", "logger", "service"))


def last_line(log: Path) -> str:
    """The last line that says something, or "" if there is none; a structured one as its event and its
    values.
    """
    lines = [line.strip() for line in tail(log).splitlines()]
    said = [line for line in lines if line]
    return _readable(said[-1])[:WIDTH] if said else ""


def tail(log: Path) -> str:
    """The last few kilobytes; "" for a file that is not there."""
    try:
        with log.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - TAIL_BYTES))
            return opened.read().decode(errors="replace")
    except OSError:
        return ""


def _readable(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "event" not in record:
        return line
    values = " ".join(f"{key}={value}" for key, value in record.items() if key not in NOISE)
    return f"{record['event']} {values}".strip()
