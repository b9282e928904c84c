"""What a start waits for: silent at first, then each reason once."""

from __future__ import annotations

import pytest

from flotilla_cli.supervision.waits import TELL_SECONDS, Waits

WALKS = [
    ([(0, "galley", "no certificate")], []),
    ([(TELL_SECONDS, "galley", "no certificate")], ["galley waits: no certificate"]),
    ([(4, "galley", "a"), (5, "galley", "a")], ["galley waits: a"]),
    ([(4, "galley", "a"), (5, "galley", "b"), (6, "galley", "a")], [f"galley waits: {word}" for word in "aba"]),
    ([(4, "galley", "a"), (4, "pilot", "a")], ["galley waits: a", "pilot waits: a"]),
    ([(9, "galley", "")], []),
]


@pytest.mark.parametrize(("steps", "said"), WALKS)
def test_each_reason_is_told_once_it_takes_long(steps, said):
    now = [100.0]
    heard: list[str] = []
    waits = Waits(heard.append, clock=lambda: now[0])
    for seconds, name, reason in steps:
        now[0] = 100.0 + seconds
        waits.on(name, reason)
    assert heard == said
    assert waits.seconds == steps[-1][0]
