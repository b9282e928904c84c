"""`flotilla.status.v1.ConfigurationStatus/Report` over gRPC: only Pilot's and Mixer's accounts may report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from flotilla_galley.status.board import ReportRefused, StatusBoard
from flotilla_protos.flotilla.status.v1.status_pb2 import StatusAck, StatusReport
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.peers import Peer, peer_of
from flotilla_shared.runtime.whole_writes import WholeWrites

METHOD = "/flotilla.status.v1.ConfigurationStatus/Report"
REPORTERS = ("pilot", "mixer")

_log = get_logger(__name__)


def reporting_accounts(trust_domain: str, namespace: str) -> dict[str, str]:
    """The identities that may report, and the service that each is."""
    return {spiffe_id(trust_domain, namespace, f"istio-{service}-service-account"): service for service in REPORTERS}


class Taking:
    """Whether reports are taken, which changes with who leads."""

    def __init__(self, now: bool) -> None:
        self.now = now
        self._changed = asyncio.Event()

    def set(self, now: bool) -> None:
        self.now = now
        self._changed.set()
        self._changed = asyncio.Event()

    async def over(self) -> None:
        """Return when reports are not taken."""
        while self.now:
            await self._changed.wait()


class StatusService(grpc.GenericRpcHandler):
    """`taking` says whether reports are taken here: of several replicas only by the one that writes status.

    The others answer UNAVAILABLE, and reporters, which dial anew, find the one that takes them.
    """

    def __init__(
        self,
        board: StatusBoard,
        accounts: dict[str, str],
        peer: Callable[[Any], Peer] = peer_of,
        taking: Taking | None = None,
    ) -> None:
        self._board = board
        self._accounts = accounts
        self._peer = peer
        self._taking = taking or Taking(True)
        self._handler: Any = grpc.stream_stream_rpc_method_handler(
            self._serve, StatusReport.FromString, StatusAck.SerializeToString
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return self._handler if handler_call_details.method == METHOD else None

    async def _serve(self, _: Any, context: Any) -> None:
        caller = self._peer(context).identity or ""
        service = self._accounts.get(caller)
        if service is None:
            _log.warning("status of an unauthorized peer", caller=caller)
            text = f"{caller or 'a caller without identity'} may not report; only Pilot's and Mixer's accounts may"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, text)
            return
        if not await self._while_taking(context, service, caller):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "another replica of Galley takes reports")

    async def _while_taking(self, context: Any, service: str, caller: str) -> bool:
        """Take reports until the stream ends, or until they are not taken here: then False. Nothing of them stays."""
        reporters: set[str] = set()
        writes = WholeWrites(context.write)
        work = asyncio.ensure_future(self._take(context, writes, service, caller, reporters))
        over = asyncio.ensure_future(self._taking.over())
        try:
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
            await writes.finish()
        finally:
            ended = work.done()
            for each in (work, over):
                each.cancel()
            await asyncio.gather(work, over, return_exceptions=True)
            for reporter in reporters:
                self._board.forget(reporter)
        if ended:
            await work
        return ended

    async def _take(self, context: Any, writes: WholeWrites, service: str, caller: str, reporters: set[str]) -> None:
        while (report := await context.read()) is not grpc.aio.EOF:
            try:
                if report.reporter.partition("/")[0] != service:
                    raise ReportRefused(f"{caller} reports as {service}, not as {report.reporter!r}")
                self._board.receive(report, caller)
            except ReportRefused as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
                return
            reporters.add(report.reporter)
            await writes.write(StatusAck(sequence=report.sequence))
