"""Every target of `make fuzz` for a moment: its seeds, what harmed once, and some bytes."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, Target

HARMED = {
    "yaml": [
        b"[" * 8000,
        b"- " * 4000,
        b"? " * 4000,
        b"a: " + b"1" * 8000 + b"x",
        b"\xff\xfe",
        b"!!binary x",
        b"=",
        b"{<<: 1}",
    ],
    "validators": [],
    "admission": [b"", b"[" * 8000, b'{"a":' * 4000, b"\xff", b"null"],
    "mcp": [b"\x05\x12\x03abc"],
    "xds": [b"\x05\x22\x03abc"],
    "mixer-expressions": [
        b"(" * 8000,
        b'"' * 8000,
        b"a[" * 4000,
        b"!" * 8000,
        b"request.path" + b" | request.path" * 500,
    ],
    "mixer-questions": [b"[" * 8000, b'{"attributes":' * 500, b"null", b'"\\ud800"'],
    "expressions": [b"(" * 8000, b"a." * 4000, b'"' * 8000, b"\xff"],
}


@cache
def target(name: str) -> Target:
    return TARGETS[name]()


@pytest.mark.parametrize("name", TARGETS)
def test_what_it_begins_with_and_what_harmed_once(name: str) -> None:
    for data in (*seeds(name), *HARMED.get(name, ())):
        target(name)(data)


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=300))
def test_any_bytes(name: str, data: bytes) -> None:
    target(name)(data)
