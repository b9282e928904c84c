"""The ids of a span, from the headers that carry them: B3 (many headers, or one) and W3C's traceparent (ADR 0152).

463ac35c9f6413ad48485a3953bb6124                                       an id alone, of 1 to 32 hexadecimal digits
463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1-0020000000000001   b3: trace, span, decision, parent
00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01                traceparent: version, trace, span, flags
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ID = re.compile(r"[0-9a-fA-F]{1,32}")
_B3 = re.compile(r"([0-9a-fA-F]{1,32})-([0-9a-fA-F]{1,16})?(?:-([01dD]|true|false)?(?:-([0-9a-fA-F]{1,16})?)?)?")
_W3C = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_DECISIONS = {"0": False, "false": False, "1": True, "true": True, "d": True}
SHORT, LONG = 16, 32  # digits of an id of 64 bits, and of 128
NONE = "0" * SHORT
PAD = 0x3F6A2EC3C810C2AB  # of 1.4's: what a client's id is combined with to be another


class Context(NamedTuple):
    """Ids in lower case, of 16 digits, that of the trace of 16 or 32. `parent` is empty for the first span of a trace.

    `sampled` is what the caller decided, None if it left that open; `debug`: it wants this trace by all means.
    """

    trace: str
    span: str
    parent: str = ""
    sampled: bool | None = None
    debug: bool = False


def read_context(trace: object, span: object, parent: object) -> Context | None:
    """From the three fields of an instance. `trace` is an id or a whole header of the two kinds that hold all; what the
    other two fields give goes before what such a header says. None without ids of trace and span that can be read.
    """
    if not isinstance(trace, str):
        return None
    if _ID.fullmatch(trace):
        found, id_ = Context(trace, ""), _span_id(span)
    elif (header := _of_header(trace)) is not None:
        found, id_ = header, _span_id(span) or _span_id(header.span)
    else:
        return None
    whole = _trace_id(found.trace)
    if not whole or not id_:
        return None
    return Context(whole, id_, _span_id(parent) or _span_id(found.parent), found.sampled, found.debug)


def _of_header(text: str) -> Context | None:
    whole = _W3C.fullmatch(text)
    if whole is not None:
        version, trace, span, flags, rest = whole.groups()
        return None if version == "00" and rest else Context(trace, span, "", bool(int(flags, 16) & 1))
    single = _B3.fullmatch(text)
    if single is None:
        return None
    trace, span, decision, parent = single.groups()
    said = (decision or "").lower()
    return Context(trace, span or "", parent or "", _DECISIONS.get(said), said == "d")


def _trace_id(text: str) -> str:
    found = text.lower().zfill(SHORT if len(text) <= SHORT else LONG)
    return found if found.strip("0") else ""


def _span_id(text: object) -> str:
    """Of 16 digits; empty if there is none, or it cannot be read."""
    if not text or not isinstance(text, str) or len(text) > SHORT or not _ID.fullmatch(text):
        return ""
    found = text.lower().zfill(SHORT)
    return found if found != NONE else ""


def rewritten(span: str) -> str:
    """The id of a client's span whose server's span has `span`: the same everywhere, so the two sides need not talk."""
    found = f"{int(span, 16) ^ PAD:016x}"
    return found if found != NONE else span


def wanted(context: Context, probability: float) -> bool:
    """The caller's decision holds, so that a trace is whole or not there; a share of 0 sends nothing at all."""
    if context.sampled is not None:
        return context.sampled and probability > 0
    return chosen(context.trace, probability)


def chosen(trace: str, probability: float) -> bool:
    """Whether a trace is among the share that is kept: by the low 64 bits of its id, so that all who are asked with one
    share say the same, and an id of 64 bits is judged as the same one of 128.
    """
    return probability >= 1 or int(trace[-SHORT:], 16) < probability * 2**64
