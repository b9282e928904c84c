"""Stand-ins for Pilot's neighbours, on real ports with real TLS: what they say is written by a test."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import grpc

from flotilla_pilot.model.snapshot import COLLECTIONS
from flotilla_protos.flotilla.status.v1.status_pb2 import ObjectStatus, StatusAck, StatusReport
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey
from flotilla_shared.runtime.citadel_client import METHOD as CREATE_CERTIFICATE
from flotilla_shared.runtime.serving import Call, GrpcServer
from flotilla_shared.runtime.streams.codec import to_response
from flotilla_shared.runtime.streams.status import key_of
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

SYSTEM = "spiffe://cluster.local/ns/istio-system/sa"


class ScriptedCitadel:
    """Component. Signs whatever it is asked to, with the DNS names of Pilot."""

    def __init__(self, authority: CertificateAuthorityForTests, port: int) -> None:
        self.signed = 0
        self._authority = authority
        self._server = GrpcServer(
            "127.0.0.1",
            port,
            identity=authority.identity(f"{SYSTEM}/istio-citadel-service-account", "istio-citadel.istio-system.svc"),
            client_certificate="optional",
            batch={CREATE_CERTIFICATE: self._sign},
        )

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    def _sign(self, calls: Sequence[Call]) -> None:
        for call in calls:
            request = IstioCertificateRequest.FromString(call.message)
            chain = self._authority.chain(
                request.csr, timedelta(seconds=request.validity_duration), ["istio-pilot.istio-system.svc"]
            )
            self.signed += 1
            call.answer(IstioCertificateResponse(cert_chain=chain).SerializeToString())


class ScriptedGalley:
    """Component. Gives each collection that is in `content` when it is asked for, and every change after it.

    `reports` are the status reports as they came; `status` is what they add up to.
    """

    def __init__(self, authority: CertificateAuthorityForTests, port: int) -> None:
        self.content: dict[str, dict[ObjectKey, ConfigObject]] = {}
        self.asked: list[RequestResources] = []
        self.reports: list[StatusReport] = []
        self.status: dict[ObjectKey, ObjectStatus] = {}
        self._news = asyncio.Condition()
        self._authority, self._port = authority, port
        self._versions: dict[str, int] = {}

    async def start(self) -> None:
        self._server = GrpcServer(
            "127.0.0.1",
            self._port,
            identity=self._authority.identity(
                f"{SYSTEM}/istio-galley-service-account", "istio-galley.istio-system.svc"
            ),
            client_certificate="required",
            generic_handlers=[self._mcp_handler(), self._status_handler()],
            grace_seconds=0,
        )
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def give(self, objects: dict[str, dict[ObjectKey, ConfigObject]]) -> None:
        """The whole content of some collections."""
        async with self._news:
            self.content.update(objects)
            for name in objects:
                self._versions[name] = self._versions.get(name, 0) + 1
            self._news.notify_all()

    async def give_all(self, objects: dict[str, dict[ObjectKey, ConfigObject]]) -> None:
        """The whole content of every collection, empty where `objects` has nothing."""
        await self.give({name: objects.get(name, {}) for name in COLLECTIONS})

    async def reported(self, key: ObjectKey, **wanted: object) -> ObjectStatus:
        """Wait until Pilot has reported this of an object."""
        async with self._news:
            await self._news.wait_for(lambda: self._matches(self.status.get(key), wanted))
            return self.status[key]

    @staticmethod
    def _matches(status: ObjectStatus | None, wanted: dict[str, object]) -> bool:
        return status is not None and all(getattr(status, name) == value for name, value in wanted.items())

    def _mcp_handler(self) -> grpc.GenericRpcHandler:
        method = grpc.stream_stream_rpc_method_handler(
            self._resources,
            request_deserializer=RequestResources.FromString,
            response_serializer=Resources.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(
            "istio.mcp.v1alpha1.ResourceSource", {"EstablishResourceStream": method}
        )

    async def _resources(self, _requests: object, context: Any) -> None:
        sent: dict[str, int] = {}
        listening = asyncio.create_task(self._listen(context))
        try:
            while True:
                async with self._news:
                    await self._news.wait_for(lambda: self._versions != sent)
                    due = [name for name, version in self._versions.items() if sent.get(name) != version]
                for name in due:
                    sent[name] = self._versions[name]
                    delta = Delta(name, str(sent[name]), tuple(self.content[name].values()))
                    await context.write(to_response(delta, f"{name}/{sent[name]}"))
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, context: Any) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            self.asked.append(request)

    def _status_handler(self) -> grpc.GenericRpcHandler:
        method = grpc.stream_stream_rpc_method_handler(
            self._report,
            request_deserializer=StatusReport.FromString,
            response_serializer=StatusAck.SerializeToString,
        )
        return grpc.method_handlers_generic_handler("flotilla.status.v1.ConfigurationStatus", {"Report": method})

    async def _report(self, _requests: object, context: Any) -> None:
        while (report := await context.read()) is not grpc.aio.EOF:
            async with self._news:
                self._take(report)
                self._news.notify_all()
            await context.write(StatusAck(sequence=report.sequence))

    def _take(self, report: StatusReport) -> None:
        self.reports.append(report)
        if report.full:
            self.status = {}
        for each in report.objects:
            if each.removed:
                self.status.pop(key_of(each), None)
            else:
                self.status[key_of(each)] = each
