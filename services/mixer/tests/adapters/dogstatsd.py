"""Dogstatsd's backend is a Unix socket that reads Datadog's lines, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.adapters.dogstatsd.adapter import Dogstatsd
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.datadog_lines import Agent as Reader
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="calls.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)
FAILED = sample_spec(LOG_ENTRY, name="failed.instance.test")
HEALTH = sample_spec(LOG_ENTRY, name="health.instance.test")


class Agent:
    """A socket that is read while it is not held; held, the kernel takes a few datagrams and no more."""

    def __init__(self) -> None:
        self._reader = Reader()
        self._socket: socket.socket | None = None
        self._path = Path(tempfile.gettempdir()) / f"flotilla-{uuid.uuid4()}"

    async def start(self) -> Mapping[str, Any]:
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._path))
        self.hold(False)
        return {"address": f"unix://{self._path}"}

    async def stop(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        self._path.unlink(missing_ok=True)

    def hold(self, held: bool) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        if held:
            loop.remove_reader(self._socket)
        else:
            loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        assert self._socket is not None
        self._reader.take(self._socket.recv(65_536))

    def received(self) -> int:
        return len(self._reader.lines)


def metrics(**changes: object) -> dict[str, object]:
    calls = {"name": "calls", "type": "COUNTER", "tags": {"a": "b"}} | changes
    return {
        "metrics": {COUNTED.name: calls, TIMED.name: {"name": "time", "type": "DISTRIBUTION"}},
        "events": {FAILED.name: {"text": "{{.who}}", "tagVariables": ["code"]}},
        "serviceChecks": {HEALTH.name: {"name": "health"}},
    }


EVENT = f"spec.params.events[{FAILED.name}]"
CALLS, TIME = f"spec.params.metrics[{COUNTED.name}]", f"spec.params.metrics[{TIMED.name}]"
CASE = AdapterCase(
    Dogstatsd,
    rows={spec: [sample_row(spec)] * 3 for spec in (COUNTED, TIMED, FAILED, HEALTH)},
    params=metrics(),
    wrong=[
        ({"address": ":8125"}, "spec.params.address"),
        ({"address": "localhost:9999999"}, "spec.params.address"),
        ({"bufferLength": -1}, "spec.params.bufferLength"),
        ({"bufferLength": 10_001}, "spec.params.bufferLength"),
        ({"sampleRate": 2}, "spec.params.sampleRate"),
        ({"sampleRate": -0.5}, "spec.params.sampleRate"),
        (metrics(name=""), f"{CALLS}.name"),
        (metrics(type="UNKNOWN_TYPE"), f"{CALLS}.type"),
        (metrics(type=17), f"{CALLS}.type"),
        ({"metrics": {}}, "spec.params.metrics"),
        ({"events": {}}, "spec.params.events"),
        ({"events": {FAILED.name: {"text": "{{.who}}", "tagVariables": ["where"]}}}, f"{EVENT}.tagVariables"),
        ({"serviceChecks": {HEALTH.name: {"name": ""}}}, f"spec.params.serviceChecks[{HEALTH.name}].name"),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), "spec.params.metrics"),
        (sample_spec(LOG_ENTRY, name="other.instance.test"), "spec.params.events"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.DURATION), f"{CALLS}.type"),
        (sample_spec(METRIC, name=TIMED.name, value=ValueType.STRING), f"{TIME}.type"),
    ],
    backend=Agent,
)
