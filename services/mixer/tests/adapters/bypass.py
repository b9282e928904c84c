"""Bypass's backend is a gRPC server of Istio's handler services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.adapters.bypass.adapter import Bypass
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.testing.backends import Backend
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_shared.testing.ports import free_port

SPECS = [sample_spec(template) for template in TEMPLATES.values()]


class Server:
    """A server at one place, that counts what it is asked and told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.backend = Backend()

    async def start(self) -> Mapping[str, Any]:
        await self.backend.start(port=self.port)
        return {"backendAddress": f"127.0.0.1:{self.port}"}

    async def stop(self) -> None:
        await self.backend.stop()

    def hold(self, held: bool) -> None:
        if held:
            self.backend.released.clear()
        else:
            self.backend.released.set()

    def received(self) -> int:
        return sum(len(getattr(each, "instances", (each,))) for each in self.backend.requests)


CASE = AdapterCase(
    Bypass,
    rows={spec: [sample_row(spec)] * 2 for spec in SPECS},
    params={"backendAddress": "127.0.0.1:1"},
    wrong=[
        ({"backendAddress": ""}, "spec.params.backendAddress"),
        ({"backendAddress": "nowhere"}, "spec.params.backendAddress"),
        ({"backendAddress": "a:99999"}, "spec.params.backendAddress"),
    ],
    backend=Server,
)
