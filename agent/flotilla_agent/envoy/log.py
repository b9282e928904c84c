"""What an Envoy said last, from the log that it shares with its access log."""

from __future__ import annotations

import os
import re
from pathlib import Path

TAIL_BYTES = 16384
SHOWN_CHARACTERS = 300
# [2026-01-02 03:04:05.678][12][critical][main] [source/server/server.cc:424] text
_OWN_LINE = re.compile(
    r"\[\d{4}-\d\d-\d\d [^]]+\]\[\d+\]\[(error|critical|warning)\]\[\w+\] (?:\[[^]]+\] )?(?P<text>.+)"
)
_LEVELS = ("critical", "error", "warning")


def log_size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def last_complaint(log: Path, since: int) -> str:
    """The gravest thing that Envoy wrote after byte `since`, the last of its kind; else the last line; else empty."""
    lines = _tail(log, since)
    for level in _LEVELS:
        found = [match["text"] for line in lines if (match := _OWN_LINE.match(line)) and match[1] == level]
        if found:
            return found[-1][:SHOWN_CHARACTERS]
    return next((line.strip()[:SHOWN_CHARACTERS] for line in reversed(lines) if line.strip()), "")


def _tail(log: Path, since: int) -> list[str]:
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(since, end - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
