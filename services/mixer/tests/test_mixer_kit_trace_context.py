"""Ids of spans: from B3's headers and W3C's, rewritten for clients, and which traces are kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.kit.trace_context import Context, chosen, read_context, rewritten

TRACE, SPAN, PARENT = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"
SHORT = TRACE[16:]
W3C = f"00-{TRACE}-{SPAN}"

READ: list[tuple[tuple[Any, Any, Any], Context | None]] = [
    # B3 in many headers
    ((TRACE, SPAN, PARENT), Context(TRACE, SPAN, PARENT)),
    ((SHORT, SPAN, ""), Context(SHORT, SPAN)),
    ((TRACE.upper(), SPAN.upper(), None), Context(TRACE, SPAN)),
    (("1", "2", "3"), Context("0" * 15 + "1", "0" * 15 + "2", "0" * 15 + "3")),
    (("1" * 17, SPAN, None), Context("0" * 15 + "1" * 17, SPAN)),
    ((TRACE, SPAN, "no id"), Context(TRACE, SPAN)),
    ((TRACE, SPAN, "0" * 16), Context(TRACE, SPAN)),
    # B3 in one
    ((f"{TRACE}-{SPAN}", None, None), Context(TRACE, SPAN)),
    ((f"{SHORT}-{SPAN}-1", "", ""), Context(SHORT, SPAN, "", True)),
    ((f"{TRACE}-{SPAN}-0-{PARENT}", None, None), Context(TRACE, SPAN, PARENT, False)),
    ((f"{TRACE}-{SPAN}-d-{PARENT}", None, None), Context(TRACE, SPAN, PARENT, True, True)),
    ((f"{TRACE}-{SPAN}-true", None, None), Context(TRACE, SPAN, "", True)),
    ((f"{TRACE}-{SPAN}-false", None, None), Context(TRACE, SPAN, "", False)),
    ((f"{TRACE}-{SPAN}-1-{PARENT}", "1", "2"), Context(TRACE, "0" * 15 + "1", "0" * 15 + "2", True)),
    # as expressions put many headers into one, of which some are not there
    ((f"{TRACE}-{SPAN}--{PARENT}", None, None), Context(TRACE, SPAN, PARENT)),
    ((f"{TRACE}-{SPAN}--", None, None), Context(TRACE, SPAN)),
    ((f"{TRACE}--0", SPAN, None), Context(TRACE, SPAN, "", False)),
    # W3C's
    ((f"{W3C}-01", None, None), Context(TRACE, SPAN, "", True)),
    ((f"{W3C}-00", None, None), Context(TRACE, SPAN, "", False)),
    ((f"{W3C}-03", None, PARENT), Context(TRACE, SPAN, PARENT, True)),
    ((f"01-{TRACE}-{SPAN}-01-more", None, None), Context(TRACE, SPAN, "", True)),
    # none
    ((f"ff-{TRACE}-{SPAN}-01", None, None), None),
    ((f"{W3C}-01-more", None, None), None),
    ((f"00-{TRACE.upper()}-{SPAN}-01", None, None), None),
    ((f"00-{'0' * 32}-{SPAN}-01", None, None), None),
    ((f"00-{TRACE}-{'0' * 16}-01", None, None), None),
    ((TRACE, "", ""), None),
    ((TRACE, None, None), None),
    ((TRACE, "0" * 16, None), None),
    ((TRACE, SPAN + "0", None), None),
    (("0" * 32, SPAN, None), None),
    ((TRACE + "0", SPAN, None), None),
    (("", SPAN, None), None),
    (("--", "", ""), None),
    (("0", SPAN, None), None),
    (("d", None, None), None),
    (("0x1", SPAN, None), None),
    (("1_0", SPAN, None), None),
    ((" 1", SPAN, None), None),
    (("1\n", SPAN, None), None),
    (("é", SPAN, None), None),
    (("٣", SPAN, None), None),
    ((None, SPAN, None), None),
    ((7, SPAN, None), None),
    ((TRACE, 7, None), None),
    (("463ac35c-9f64-13ad-4848-5a3953bb6124", SPAN, None), None),
]


@pytest.mark.parametrize(("fields", "expected"), READ)
def test_contexts(fields: tuple[Any, Any, Any], expected: Context | None) -> None:
    assert read_context(*fields) == expected


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_caller_sends_it_is_ids_or_nothing(trace: str, span: str, parent: str) -> None:
    _well_formed(read_context(trace, span, parent))


@given(st.from_regex(r"[0-9a-fA-F-]{0,60}", fullmatch=True), st.sampled_from(["", SPAN]))
def test_so_are_headers_that_are_nearly_right(header: str, span: str) -> None:
    _well_formed(read_context(header, span, None))


def _well_formed(found: Context | None) -> None:
    if found is None:
        return
    assert len(found.trace) in (16, 32)
    assert len(found.span) == 16
    assert len(found.parent) in (0, 16)
    for each in filter(None, found[:3]):
        assert int(each, 16) > 0
        assert each == each.lower()


REWRITTEN = [
    ("a2fb4a1d1a96d312", "9d9164ded28611b9"),  # of 1.4's own tests
    ("3f6a2ec3c810c2ab", "3f6a2ec3c810c2ab"),  # which would be no id
]


@pytest.mark.parametrize(("span", "expected"), REWRITTEN)
def test_rewritten_ids(span: str, expected: str) -> None:
    assert rewritten(span) == expected


@given(st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}"))
def test_a_rewritten_id_is_one_and_goes_back(span: str) -> None:
    assert int(rewritten(span), 16) > 0
    assert rewritten(rewritten(span)) == span


@given(st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}"), st.floats(0, 1), st.floats(0, 1))
def test_a_trace_is_kept_whole_and_by_a_larger_share_too(trace: str, one: float, other: float) -> None:
    assert chosen(trace, one) is chosen(trace[16:], one), "an id of 128 bits and its low half are one trace"
    assert chosen(trace, min(one, other)) <= chosen(trace, max(one, other))


def test_shares() -> None:
    traces = [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(1, 10_001)]
    kept = {share: sum(chosen(trace, share) for trace in traces) / len(traces) for share in (0.0, 0.01, 0.25, 1.0)}
    assert kept == pytest.approx({0.0: 0, 0.01: 0.01, 0.25: 0.25, 1.0: 1}, abs=0.002)
