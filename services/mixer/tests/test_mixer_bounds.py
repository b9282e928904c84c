"""Messages of a few bytes an entry, of the greatest length: refused or answered, and the loop is free again."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.dispatch.check import CheckDispatcher
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.expressions.moments import nanoseconds_of
from flotilla_mixer.expressions.moments import text_of as moment
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.access_logs import AccessLogs, LogStream, _Refused
from flotilla_mixer.servers.bounds import MOST_ENTRIES, MOST_QUOTAS, MOST_SHARED
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.native import NativeMixer
from flotilla_mixer.shedding.throttle import ShedSettings, Throttle
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured, deny
from flotilla_protos.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, CheckResponse, ReportRequest
from flotilla_shared.model.expressions import Timestamp
from flotilla_shared.runtime.batches import CallFailed
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer

MOST_BYTES = 4 * 1024 * 1024
OK, REFUSED, PARTLY = grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNKNOWN
CALLER = Peer("127.0.0.1:1", identity="spiffe://cluster.local/ns/default/sa/ratings")


class Inside:
    def __init__(self) -> None:
        self.metrics = MixerMetrics(ServiceMetrics("mixer"))
        failures = Failures(self.metrics)
        table = Swap("istio-system").put(configured(deny('request.path == "/x"')))
        self.table = table
        checks, quotas, reports = CheckDispatcher(failures), QuotaDispatcher(failures), ReportDispatcher(failures)
        self.native = NativeMixer(lambda: table, checks, quotas, reports, self.metrics, as_given=True)
        gate = Gate(Throttle(ShedSettings(mode="disabled"), self.metrics), 1_000_000)
        self.logs = AccessLogs(lambda: table, reports, self.metrics, gate)

    async def send(self, request: Any) -> tuple[grpc.StatusCode, bytes | str]:
        message = request.SerializeToString()
        assert len(message) <= MOST_BYTES
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        function = self.native.check if isinstance(request, CheckRequest) else self.native.report
        function([Call("", message, (), CALLER, None, answer)])
        assert self.table.open_calls == 0
        try:
            return OK, answer.result()
        except CallFailed as failed:
            return failed.code, failed.text


def report(*, entries: int, words: int = 0, delta: bool = False) -> ReportRequest:
    request = ReportRequest(default_words=[str(number) for number in range(words)])
    if not delta:
        request.repeated_attributes_semantics = ReportRequest.INDEPENDENT_ENCODING
    request.attributes.extend(CompressedAttributes() for _ in range(entries))
    return request


REPORTS = {
    "none": (report(entries=0), OK, ""),
    "many": (report(entries=500, words=1000), OK, ""),
    "a million empty ones": (report(entries=1_000_000), REFUSED, f"at most {MOST_ENTRIES} entries"),
    "many default words": (report(entries=5_000, words=300_000), REFUSED, "default words"),
    "differences of nothing": (report(entries=1_000_000, delta=True), REFUSED, "at most"),
}


@pytest.mark.parametrize(("request_", "code", "said"), REPORTS.values(), ids=REPORTS)
async def test_reports(request_: ReportRequest, code: grpc.StatusCode, said: str) -> None:
    found, text = await Inside().send(request_)
    assert found is code
    assert said in str(text)


async def test_differences_that_repeat_a_large_bag_again_and_again() -> None:
    request = report(entries=MOST_ENTRIES - 1, delta=True)
    first = request.attributes[0]
    first.words.extend(f"a{number}" for number in range(50_000))
    for number in range(50_000):
        first.int64s[-number - 1] = 1
    code, text = await Inside().send(request)
    assert (code, "repeat too much" in str(text)) == (PARTLY, True)
    assert MOST_SHARED < 9_000 * 50_000


async def test_a_check_with_very_many_quotas() -> None:
    inside, request = Inside(), CheckRequest()
    for number in range(MOST_QUOTAS):
        request.quotas[str(number)].amount = 1
    code, answer = await inside.send(request)
    assert code is OK
    assert isinstance(answer, bytes)
    assert len(CheckResponse.FromString(answer).quotas) == MOST_QUOTAS
    request.quotas["one more"].amount = 1
    assert (await inside.send(request))[0] is REFUSED


async def test_a_message_of_very_many_log_entries() -> None:
    inside, message = Inside(), StreamAccessLogsMessage()
    message.identifier.log_name = "inbound"
    for _ in range(MOST_ENTRIES):
        message.http_logs.log_entry.add()
    inside.logs.take(LogStream(CALLER), message.SerializeToString())
    message.http_logs.log_entry.add()
    with pytest.raises(_Refused, match="at most"):
        inside.logs.take(LogStream(CALLER), message.SerializeToString())
    assert inside.metrics.refused_entries._value.get() == MOST_ENTRIES + 1
    assert inside.table.open_calls == 0


async def test_an_envoy_names_what_it_wants_as_large_as_it_likes() -> None:
    """One entry with 4 MiB of headers, names and tags."""
    inside, message = Inside(), StreamAccessLogsMessage()
    message.identifier.log_name = "outbound"
    entry = message.http_logs.log_entry.add()
    for number in range(20_000):
        entry.request.request_headers[f"x-header-{number}"] = "y" * 40
        entry.common_properties.custom_tags[f"tag-{number}"] = "z" * 40
    entry.common_properties.custom_tags["route"] = "[" * 100_000
    entry.common_properties.custom_tags["cluster"] = '{"a":' * 100_000
    inside.logs.take(LogStream(CALLER), message.SerializeToString())
    assert inside.table.open_calls == 0


@given(st.integers(-(2**63), 2**63 - 1).map(lambda seconds: seconds * 10**9) | st.integers(-(2**70), 2**70))
def test_any_moment_has_a_text(nanoseconds: int) -> None:
    assert text_of(Timestamp(nanoseconds)).endswith("Z")
    written = moment(nanoseconds)
    if len(written.partition("-")[0]) == 4 and not written.startswith("-"):
        assert nanoseconds_of(written) == nanoseconds
