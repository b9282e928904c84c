"""Every adapter's backend goes away, comes back and is slow, beside a whole Mixer under load: callers do not wait, memory
is bounded, every entry is accounted for and delivery goes on by itself.

Times are printed and not asserted, but for the return of delivery. FLOTILLA_OUTAGE_SECONDS is how long backends are away.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flotilla_mixer.testing.outages.counterpart import counterparts
from flotilla_mixer.testing.outages.play import Lengths, play
from flotilla_mixer.testing.outages.record import spelled

pytestmark = pytest.mark.real

FOLDER = Path(__file__).parent / "counterparts"
SECONDS = float(os.environ.get("FLOTILLA_OUTAGE_SECONDS", "20"))
BESIDE = 300.0  # seconds of all other phases, on a machine that has much to do


@pytest.mark.timeout(SECONDS + BESIDE)
@pytest.mark.parametrize("name", sorted(counterparts(FOLDER)))
async def test_an_outage_costs_what_is_counted_and_ends_by_itself(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = await play(
        counterparts(FOLDER)[name](tmp_path), Lengths(there=5, away=SECONDS, back=5, slow=5, released=3)
    )
    with capsys.disabled():
        print(f"\n{spelled(name, outcome)}")
    assert not list(outcome.faults())
