"""A whole Mixer for tests: its application on free ports, with a Galley that is played in-process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest, CheckResponse
from google.protobuf import json_format
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.adapters.prometheus.page import render
from flotilla_mixer.app import Mixer
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.testing.meshes import MESH, deltas, read_objects
from flotilla_protos.flotilla.status.v1.status_pb2 import StatusReport
from flotilla_shared.model.objects import Delta
from flotilla_shared.runtime.monitoring import monitoring_app, version_info
from flotilla_shared.runtime.streams.carrier import Subscription
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

CHECK = "/envoy.service.auth.v3.Authorization/Check"
LOGS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
ID = "spiffe://cluster.local/ns/default/sa/"
NAME = "istio-mixer.istio-system.svc"


class Galley:
    """A ConfigurationSource and StatusReceiver: gives what a test puts, and keeps what is said of it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Delta] = asyncio.Queue()
        self.refused: list[str] = []
        self.reports: list[StatusReport] = []
        self.reported = asyncio.Event()

    def subscribe(self, caller: str, collections: Sequence[str]) -> Subscription:
        return self

    async def next(self) -> Delta:
        return await self.queue.get()

    def ack(self, delta: Delta) -> None:
        pass

    def nack(self, delta: Delta, text: str) -> None:
        self.refused.append(text)

    def close(self) -> None:
        pass

    def receive(self, report: StatusReport, caller: str) -> None:
        self.reports.append(report)
        self.reported.set()

    def change(self, text: str) -> None:
        """These objects are new or other than before; the others stay."""
        for name, found in read_objects(text).items():
            if found:
                self.queue.put_nowait(Delta(name, "", tuple(found.values()), full=False))

    def put(self, *texts: str) -> None:
        for delta in deltas(read_objects(MESH, *texts)):
            self.queue.put_nowait(delta)


class Running:
    """A Mixer with its Galley, and clients that are workloads of the mesh or are not."""

    def __init__(self, mixer: Mixer, galley: Galley, authority: CertificateAuthorityForTests) -> None:
        self.mixer, self.galley, self.authority = mixer, galley, authority

    async def put(self, *texts: str) -> None:
        """New configuration, in force when this returns."""
        self.mixer.published.clear()
        self.galley.put(*texts)
        async with asyncio.timeout(20):
            await self.mixer.published.wait()

    async def check(self, account: str = "ratings", metadata: Any = (), **attributes: Any) -> CheckResponse:
        """As the sidecar with this certificate asks; all clients come from 127.0.0.1, which is ratings-v1."""
        message = json_format.ParseDict({"attributes": attributes}, CheckRequest())
        async with self.channel(account) as channel:
            call = channel.unary_unary(
                CHECK, request_serializer=CheckRequest.SerializeToString, response_deserializer=CheckResponse.FromString
            )
            response: CheckResponse = await call(message, timeout=10, metadata=metadata)
            return response

    async def report(
        self, *entries: Any, account: str = "ratings", log_name: str = "inbound", kind: str = "http"
    ) -> None:
        message = json_format.ParseDict({f"{kind}_logs": {"log_entry": list(entries)}}, StreamAccessLogsMessage())
        message.identifier.log_name = log_name
        async with self.channel(account) as channel:
            call = channel.stream_unary(
                LOGS,
                request_serializer=StreamAccessLogsMessage.SerializeToString,
                response_deserializer=StreamAccessLogsResponse.FromString,
            )()
            await call.write(message)
            await call.done_writing()
            await call

    def channel(self, account: str) -> grpc.aio.Channel:
        address = f"127.0.0.1:{self.mixer.server.bound_port}"
        return open_channel(address, NAME, self.authority.certificate(f"{ID}{account}"))

    def monitoring(self) -> Any:
        """The application of its monitoring port."""
        return monitoring_app(self.mixer.service_metrics, self.mixer.readiness, version_info())

    async def page(self, port: int) -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"http://127.0.0.1:{port}/metrics")).text

    def dropped(self, claim: str) -> int:
        return int(self.mixer.metrics.disbelieved.labels(claim)._value.get())

    def counted(self) -> dict[tuple[str, str, str], int]:
        """(source, service, code) -> calls, as the prometheus handler has them."""
        adapter: Any = self.mixer.adapters["prometheus"]
        return {
            (sample.labels["source"], sample.labels["service"], sample.labels["code"]): int(sample.value)
            for family in text_string_to_metric_families(render(adapter.store).decode())
            for sample in family.samples
            if sample.name == "istio_calls_total"
        }


@asynccontextmanager
async def running_mixer(authority: CertificateAuthorityForTests, **settings: Any) -> AsyncIterator[Running]:
    """One Mixer, started, with its native API in plaintext too; `settings` beside those that give it free ports."""
    free: dict[str, Any] = dict.fromkeys(
        ("mixer_port", "prometheus_port", "monitoring_port", "introspection_port", "plaintext_port"), 0
    )
    # Tests have a machine of which others may take all, so nothing is shed.
    usual = {"debounce_seconds": 0, "plaintext": True, "loadshedding_mode": "disabled", "secret_folders": ["/"]}
    given = MixerSettings(**(free | usual | settings))
    galley = Galley()
    mixer = Mixer(given, signer=authority, source=galley, receiver=galley)
    await mixer.lifecycle.start()
    try:
        yield Running(mixer, galley, authority)
    finally:
        await mixer.lifecycle.stop()
