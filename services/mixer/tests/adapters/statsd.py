"""Statsd's backend is a UDP server that reads StatsD's lines, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from flotilla_mixer.adapters.statsd.adapter import Statsd
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.statsd_lines import StatsdReceiver
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="calls.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)


class Server:
    """A receiver that begins and ends. Held, it leaves datagrams in the kernel: UDP has no answers to hold back."""

    def __init__(self) -> None:
        self._receiver = StatsdReceiver()
        self._transport: asyncio.DatagramTransport | None = None
        self._port = 0

    async def start(self) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", self._port)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self._receiver, local_addr=address)
        self._port = self._transport.get_extra_info("sockname")[1]
        return {"address": f"127.0.0.1:{self._port}", "flushDuration": "0s"}

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)

    def hold(self, held: bool) -> None:
        pass

    def received(self) -> int:
        return len(self._receiver.lines)


def metrics(**changes: object) -> dict[str, object]:
    calls = {"type": "COUNTER", "nameTemplate": "calls.{{.who}}.{{.code}}"} | changes
    return {"metrics": {COUNTED.name: calls, TIMED.name: {"type": "DISTRIBUTION"}}}


CALLS, TIME = f"spec.params.metrics[{COUNTED.name}]", f"spec.params.metrics[{TIMED.name}]"
CASE = AdapterCase(
    Statsd,
    rows={spec: [sample_row(spec)] * 3 for spec in (COUNTED, TIMED)},
    params=metrics(),
    wrong=[
        ({"address": ":8125"}, "spec.params.address"),
        ({"address": "a:b:c"}, "spec.params.address"),
        ({"address": "user@host:1"}, "spec.params.address"),
        ({"address": "host:99999"}, "spec.params.address"),
        ({"flushDuration": "-1s"}, "spec.params.flushDuration"),
        ({"flushBytes": -1}, "spec.params.flushBytes"),
        ({"flushBytes": 65_508}, "spec.params.flushBytes"),
        ({"samplingRate": -0.5}, "spec.params.samplingRate"),
        ({"samplingRate": 1.5}, "spec.params.samplingRate"),
        ({"samplingRate": "NaN"}, "spec.params.samplingRate"),
        (metrics(type="UNKNOWN"), f"{CALLS}.type"),
        (metrics(type=17), f"{CALLS}.type"),
        (metrics(nameTemplate="{{.who"), f"{CALLS}.nameTemplate"),
        (metrics(nameTemplate="{{.where}}"), f"{CALLS}.nameTemplate"),
        ({"metrics": {}}, "spec.params.metrics"),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), "spec.params.metrics"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.DOUBLE), f"{CALLS}.type"),
        (sample_spec(METRIC, name=TIMED.name, value=ValueType.STRING), f"{TIME}.type"),
    ],
    backend=Server,
)
