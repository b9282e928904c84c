"""Log entries and metrics as lines, in the form of Istio 1.4 (mixer.md 5.10)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from flotilla_mixer.kit.text import text_of
from flotilla_shared.model.expressions import Duration, Timestamp

LEVELS = ("info", "warn", "error")


def line(level: int, moment: Timestamp, instance: str, values: Iterable[tuple[str, object]], *, as_json: bool) -> str:
    """One line with its end. Values that are None are left out."""
    shown = {name: _plain(value) for name, value in values if value is not None}
    if as_json:
        content = {"level": LEVELS[level], "time": text_of(moment), "instance": instance, **shown}
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS).decode() + "\n"
    return f"{text_of(moment)}\t{LEVELS[level]}\t{instance}\t{orjson.dumps(shown).decode()}\n"


def _plain(value: object) -> Any:
    if isinstance(value, (Timestamp, Duration)):
        return text_of(value)
    if isinstance(value, bytes):
        return text_of(value) if len(value) in (4, 16) else base64.b64encode(value).decode()
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return str(value)
    return value
