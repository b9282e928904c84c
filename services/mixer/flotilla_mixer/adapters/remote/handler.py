"""A handler whose work is done by a backend over gRPC (mixer.md 6.3)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any

from flotilla_mixer.adapters.remote.calls import BackendError, Calls
from flotilla_mixer.adapters.remote.service import Encode, ReplyError, Service, quota_request, quota_result
from flotilla_mixer.adapters.remote.session import EachCall, Session
from flotilla_mixer.kit.adapter import CheckCall, Environment, GenerateCall, HandlerCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.counters import FAULT
from flotilla_mixer.kit.delivery import Delivery, DeliverySettings
from flotilla_mixer.kit.environment import HandlerClosed
from flotilla_mixer.kit.sending import SendError
from flotilla_mixer.templates.template import Variety

MOST_OPEN = 1_000
BAD_REPLY, OVERLOAD = "reply", "overload"
# A proxy's report is on its way within a tenth of a second; what comes within it goes along.
REPORTS = DeliverySettings(batch_seconds=0.1)


class RemoteHandler:
    """Calls `services`, by the name of an instance's template. Checks, quotas and generators are one call each; reports
    wait in a bounded queue for each template and are sent in batches.
    """

    def __init__(
        self,
        name: str,
        services: Mapping[str, Service],
        encode: Encode,
        calls: Calls,
        told: EachCall | Session,
        environment: Environment,
    ) -> None:
        self._name = name
        self._services = services
        self._encode = encode
        self._calls = calls
        self._told = told
        self._environment = environment
        self._open: set[HandlerCall[Any]] = set()
        self._numbers = count(random.getrandbits(63))
        self._reports: dict[str, Delivery[bytes]] = {
            template: environment.deliver(_Sender(self, service).send, REPORTS, len)
            for template, service in services.items()
            if service.variety is Variety.REPORT
        }

    def check(self, calls: Sequence[CheckCall]) -> None:
        for call in calls:
            self._begin(call, partial(self._check, call), "check")

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        for call in calls:
            self._begin(call, partial(self._quota, call), "quota")

    def generate(self, calls: Sequence[GenerateCall]) -> None:
        for call in calls:
            self._begin(call, partial(self._generate, call), "generate")

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError with what was not taken: because too much waits, or because it does not fit."""
        dropped, wrong = 0, ""
        for batch in batches:
            rows = []
            for row in batch.rows:
                try:
                    rows.append(self._encode(batch.instance, row))
                except ValueError as error:
                    wrong = str(error)
            dropped += self._reports[batch.instance.template.name].offer(rows)
        if dropped:
            raise ValueError(f"{dropped} entries were dropped: the backend takes them too slowly")
        if wrong:
            raise ValueError(wrong)

    def _begin(self, call: HandlerCall[Any], work: Callable[[], Awaitable[None]], name: str) -> None:
        if len(self._open) >= MOST_OPEN:
            self._environment.complain(OVERLOAD, "too many calls to the backend are open", open=len(self._open))
            call.fail(f"handler {self._name} failed: too many calls are open")
            return
        self._open.add(call)
        try:
            self._environment.work(self._answered(call, work), name)
        except HandlerClosed:
            self._close(call)

    def _close(self, call: HandlerCall[Any]) -> None:
        self._open.discard(call)
        call.fail(f"handler {self._name} is closed")

    async def _answered(self, call: HandlerCall[Any], work: Callable[[], Awaitable[None]]) -> None:
        """Whatever becomes of the work, the call gets an answer: where it is cancelled, by `close`."""
        try:
            await work()
        except BackendError as error:
            call.fail(f"handler {self._name} failed: {error.cause}")
        except ReplyError as error:
            self._environment.complain(BAD_REPLY, str(error))
            call.fail(f"handler {self._name} failed: {error}")
        except Exception as error:  # noqa: BLE001  # a fault of ours must not leave the caller without an answer
            self._environment.complain(FAULT, "a call could not be made", error=f"{type(error).__name__}: {error}")
            call.fail(f"handler {self._name} failed: {type(error).__name__}")
        self._open.discard(call)

    async def _check(self, call: CheckCall) -> None:
        service = self._services[call.instance.template.name]
        call.answer(service.check_result(await self._ask(service, call)))

    async def _generate(self, call: GenerateCall) -> None:
        service = self._services[call.instance.template.name]
        call.answer(service.outputs(await self._ask(service, call)))

    async def _quota(self, call: QuotaCall) -> None:
        service = self._services[call.instance.template.name]
        wanted = quota_request(call.instance.name, call.amount, call.best_effort)
        reply = await self._ask(service, call, call.deduplication_id, wanted)
        call.answer(quota_result(call.instance.name, reply))

    async def _ask(self, service: Service, call: HandlerCall[Any], dedup_id: str = "", quota: bytes = b"") -> bytes:
        instance = self._encode(call.instance, call.row)
        return await self.ask(service, [instance], dedup_id or self.next_id(), quota)

    async def ask(self, service: Service, instances: Sequence[bytes], dedup_id: str, quota: bytes = b"") -> bytes:
        """The backend's reply. Raises BackendError."""
        config = await self._told.config()
        return await self._calls.call(service.path, service.request(instances, config, dedup_id, quota))

    def next_id(self) -> str:
        """A number that no other call of this handler has, nor likely one of another Mixer's."""
        return str(next(self._numbers))

    async def close(self) -> None:
        """Answer what is open still, end the session, where there is one, and the channel."""
        for call in list(self._open):
            self._close(call)
        try:
            await self._told.close()
        finally:
            await self._calls.close()


class _Sender:
    """Sends the reports of one template. A batch that is tried again keeps its id: the backend can tell."""

    def __init__(self, handler: RemoteHandler, service: Service) -> None:
        self._handler = handler
        self._service = service
        self._batch: Sequence[bytes] = ()
        self._id = ""

    async def send(self, batch: Sequence[bytes]) -> None:
        if batch is not self._batch:
            self._batch, self._id = batch, self._handler.next_id()
        try:
            await self._handler.ask(self._service, batch, self._id)
        except BackendError as error:
            raise SendError(str(error), cause=error.cause, retry=error.retry) from error
        self._batch = ()
