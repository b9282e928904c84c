"""However many lines strangers cause, so many are written in a second, and the rest is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flotilla_shared.runtime.line_limit import LineLimit


@given(st.lists(st.floats(0, 3), max_size=60).map(sorted), st.integers(1, 5))
def test_no_line_is_lost_uncounted(moments: list[float], most: int) -> None:
    now = [0.0]
    limit = LineLimit(most, clock=lambda: now[0])
    written: dict[int, int] = {}
    told = waiting = 0
    for moment in moments:
        now[0] = moment
        left_out = limit.take()
        if left_out is None:
            waiting += 1
            continue
        assert left_out == waiting
        told, waiting = told + left_out + 1, 0
        written[int(moment)] = written.get(int(moment), 0) + 1
    assert told + waiting == len(moments)
    assert all(count <= most for count in written.values())
    assert sum(written.values()) >= min(len(moments), most)
