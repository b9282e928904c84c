"""Fluentd's backend is a server of the forward protocol that refuses what a client must not send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from flotilla_mixer.adapters.fluentd.adapter import Fluentd
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.fluentd_receiver import ForwardReceiver

ACCESS = sample_spec(LOG_ENTRY, name="access.instance.test")
TAGGED = sample_spec(LOG_ENTRY, ("code", "tag"), name="tagged.instance.test")


class Server:
    """A receiver that is held reads nothing more."""

    def __init__(self) -> None:
        self._receiver = ForwardReceiver()

    async def start(self) -> Mapping[str, Any]:
        await self._receiver.start()
        return {"address": self._receiver.address, "pushIntervalDuration": "0s"}

    async def stop(self) -> None:
        await self._receiver.stop()
        await asyncio.sleep(0)
        assert self._receiver.wrong == []

    def hold(self, held: bool) -> None:
        (self._receiver.flows.clear if held else self._receiver.flows.set)()

    def received(self) -> int:
        return len(self._receiver.entries)


CASE = AdapterCase(
    Fluentd,
    rows={spec: [sample_row(spec)] * 3 for spec in (ACCESS, TAGGED)},
    params={"address": "127.0.0.1:1", "pushIntervalDuration": "0s"},
    secrets={
        "sharedKeyFile": {"sharedKeyFile": "/elsewhere/key"},
        "passwordFile": {"sharedKeyFile": "/kept/key", "username": "mixer", "passwordFile": "/elsewhere/password"},
        "tls.keyFile": {"tls": {"certificateFile": "/kept/cert", "keyFile": "/elsewhere/key"}},
    },
    wrong=[
        ({"address": "dummy"}, "spec.params.address"),
        ({"address": "user@host:1"}, "spec.params.address"),
        ({"address": "host:99999"}, "spec.params.address"),
        ({"address": "tcp://host:1"}, "spec.params.address"),
        ({"standbyAddresses": ["host:1", "host"]}, "spec.params.standbyAddresses[1]"),
        ({"standbyAddresses": ["host:1"] * 11}, "spec.params.standbyAddresses"),
        ({"instanceBufferSize": -5}, "spec.params.instanceBufferSize"),
        ({"instanceBufferSize": 10**7}, "spec.params.instanceBufferSize"),
        ({"maxBatchSizeBytes": -1}, "spec.params.maxBatchSizeBytes"),
        ({"maxBatchSizeBytes": 2**30}, "spec.params.maxBatchSizeBytes"),
        ({"pushIntervalDuration": "-1s"}, "spec.params.pushIntervalDuration"),
        ({"pushTimeoutDuration": "-0.5s"}, "spec.params.pushTimeoutDuration"),
        ({"pushTimeoutDuration": "3600s"}, "spec.params.pushTimeoutDuration"),
        ({"compression": 7}, "spec.params.compression"),
        ({"username": "mixer", "sharedKeyFile": "/key"}, "spec.params.passwordFile"),
        ({"passwordFile": "/password"}, "spec.params.passwordFile"),
        ({"username": "mixer", "passwordFile": "/password"}, "spec.params.sharedKeyFile"),
        ({"tls": {"certificateFile": "/cert"}}, "spec.params.tls.keyFile"),
        ({"tls": {"keyFile": "/key"}}, "spec.params.tls.keyFile"),
    ],
    backend=Server,
)
