"""Datadog's backend is an intake that takes nothing but what Datadog's documents allow."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.adapters.datadog.adapter import Datadog
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.datadog_intake import KEY, DatadogIntake
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="calls.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)
FAILED = sample_spec(LOG_ENTRY, name="failed.instance.test")


class Backend:
    """Held, it reads requests and answers when it is let go."""

    def __init__(self) -> None:
        self._intake = DatadogIntake()
        self._key = Path(tempfile.gettempdir()) / f"flotilla-{uuid.uuid4()}"

    async def start(self) -> Mapping[str, Any]:
        await self._intake.start()
        self._key.write_text(KEY)
        url = self._intake.url
        return {"metricsUrl": url, "logsUrl": url, "interval": "1s", "apiKeyFile": str(self._key)}

    async def stop(self) -> None:
        self._intake.released.set()
        await self._intake.stop()
        self._key.unlink(missing_ok=True)

    def hold(self, held: bool) -> None:
        (self._intake.released.clear if held else self._intake.released.set)()

    def received(self) -> int:
        return self._intake.received()


def metrics(**changes: object) -> dict[str, object]:
    calls = {"name": "calls", "type": "COUNT", "tags": {"a": "b"}} | changes
    return {"metrics": {COUNTED.name: calls, TIMED.name: {"name": "time", "type": "DISTRIBUTION"}}}


def log(**changes: object) -> dict[str, object]:
    return {"logs": {FAILED.name: {"message": "{{.who}}"} | changes}}


CALLS, TIME, LOG = (
    f"spec.params.{field}[{spec.name}]" for field, spec in (("metrics", COUNTED), ("metrics", TIMED), ("logs", FAILED))
)
CASE = AdapterCase(
    Datadog,
    rows={spec: [sample_row(spec)] * 3 for spec in (COUNTED, TIMED, FAILED)},
    params={"apiKeyFile": "/no/such/key", "metricsUrl": "http://127.0.0.1:1", "logsUrl": "http://127.0.0.1:1"}
    | metrics()
    | log(),
    secrets={"apiKeyFile": {"apiKeyFile": "/elsewhere/key"}},
    wrong=[
        ({"apiKeyFile": ""}, "spec.params.apiKeyFile"),
        ({"site": "datadog"}, "spec.params.site"),
        ({"site": "https://datadoghq.com"}, "spec.params.site"),
        ({"metricsUrl": "api.datadoghq.com"}, "spec.params.metricsUrl"),
        ({"logsUrl": "https://user:secret@logs"}, "spec.params.logsUrl"),
        ({"interval": "0.5s"}, "spec.params.interval"),
        ({"interval": "601s"}, "spec.params.interval"),
        ({"interval": "-1s"}, "spec.params.interval"),
        ({"timeout": "-1s"}, "spec.params.timeout"),
        ({"timeout": "61s"}, "spec.params.timeout"),
        ({"compression": 17}, "spec.params.compression"),
        (metrics(name=""), f"{CALLS}.name"),
        (metrics(type="UNSPECIFIED"), f"{CALLS}.type"),
        (metrics(type=17), f"{CALLS}.type"),
        (metrics(resources={"host": "x"}), f"{CALLS}.resources"),
        ({"metrics": {}}, "spec.params.metrics"),
        (log(message="{{.who"), f"{LOG}.message"),
        (log(service="{{.where}}"), f"{LOG}.service"),
        (log(tagVariables=["where"]), f"{LOG}.tagVariables"),
        ({"logs": {}}, "spec.params.logs"),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), "spec.params.metrics"),
        (sample_spec(LOG_ENTRY, name="other.instance.test"), "spec.params.logs"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.STRING), f"{CALLS}.type"),
    ],
    backend=Backend,
)
