"""The suite. A third-party adapter's test is a subclass with a fixture `case`:

    class TestMine(AdapterConformance):
        @pytest.fixture
        def case(self) -> AdapterCase:
            return AdapterCase(MyAdapter, rows={SPEC: [ROW]}, wrong=[({"size": -1}, "spec.params.size")])

Its tests are coroutines in part: pytest-asyncio runs them with `asyncio_mode = auto`.
"""

from __future__ import annotations

from flotilla_mixer.testing.conformance.documents import Documents
from flotilla_mixer.testing.conformance.inputs import Inputs
from flotilla_mixer.testing.conformance.life import Life
from flotilla_mixer.testing.conformance.outages import Outages


class AdapterConformance(Documents, Life, Inputs, Outages):
    """What every adapter must pass."""
