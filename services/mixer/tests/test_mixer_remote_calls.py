"""Handlers out of process against real servers: what they are sent, what becomes of their replies, and of none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flotilla_mixer.adapters.remote import handler as limits
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.templates.standard import descriptor_text, descriptors_of
from flotilla_mixer.testing.backends import Backend
from flotilla_mixer.testing.far import LISTED, Far, at, configured
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.list.config import config_pb2 as list_config
from flotilla_protos.istio.mixer.template.metric import template_handler_service_pb2 as metric_messages

CONFIG = descriptor_text(descriptors_of(list_config))


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    found = Backend(allowed=["me"])
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def environment() -> AsyncIterator[Background]:
    found = Background()
    yield found
    await found.stop()


class TestChecks:
    async def test_the_answer_is_the_backends(self, backend: Backend, environment: Background) -> None:
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        assert await far.check() == CheckResult(0, "", 0.0, 7)
        denied = await far.check(**{"source.principal": "you"})
        assert denied == CheckResult(7, "not on the list", 0.0, 3)
        await far.handler.close()

    async def test_the_request_names_the_instance_and_has_a_number_of_its_own(
        self, backend: Backend, environment: Background
    ) -> None:
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        await far.check()
        await far.check()
        first, second = backend.requests
        assert (first.instance.name, first.instance.value.string_value) == ("asked.instance.istio-system", "me")
        assert int(second.dedup_id) == int(first.dedup_id) + 1
        assert not first.HasField("adapter_config")
        await far.handler.close()

    async def test_parameters_go_with_each_call(self, backend: Backend, environment: Background) -> None:
        params = {"overrides": ["you"], "cachingInterval": "3s"}
        far = Far(configured("listentry", LISTED, at(backend), params, config=CONFIG), environment)
        assert await far.check(**{"source.principal": "you"}) == CheckResult(0, "", 0.0, 7)
        told = backend.requests[0].adapter_config
        assert told.type_url == "type.googleapis.com/adapter.list.config.Params"
        wanted = list_config.Params(overrides=["you"], caching_interval=Duration(seconds=3))
        assert list_config.Params.FromString(told.value) == wanted
        await far.handler.close()

    async def test_session_based_adapters_are_told_nothing(self, backend: Backend, environment: Background) -> None:
        configuration = configured(
            "listentry", LISTED, at(backend), {"overrides": ["you"]}, config=CONFIG, session_based=True
        )
        far = Far(configuration, environment)
        await far.check()
        assert not backend.requests[0].HasField("adapter_config")
        await far.handler.close()

    async def test_a_backend_that_fails_fails_the_call_and_is_counted(
        self, backend: Backend, environment: Background
    ) -> None:
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        backend.broken = grpc.StatusCode.INVALID_ARGUMENT
        assert await far.check() == "handler there.handler.istio-system failed: refused"
        assert environment.counted("backend_errors") == {"refused": 1}
        await far.handler.close()

    async def test_a_backend_that_is_slow_fails_its_own_calls_alone(
        self, backend: Backend, environment: Background
    ) -> None:
        other = Backend(allowed=["me"])
        await other.start()
        slow = Far(configured("listentry", LISTED, at(backend, timeout="0.2s")), environment)
        quick = Far(configured("listentry", LISTED, at(other)), environment)
        backend.released.clear()
        waiting = asyncio.create_task(slow.check())
        await backend.arrived.wait()
        assert await quick.check() == CheckResult(0, "", 0.0, 7)
        assert await waiting == "handler there.handler.istio-system failed: timeout"
        for each in (slow, quick):
            await each.handler.close()
        await other.stop()

    async def test_so_many_calls_are_open_and_no_more(
        self, backend: Backend, environment: Background, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "MOST_OPEN", 3)
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        backend.released.clear()
        answers = [asyncio.create_task(far.check()) for _ in range(3)]
        while len(backend.requests) < 3:
            backend.arrived.clear()
            await backend.arrived.wait()
        assert await far.check() == "handler there.handler.istio-system failed: too many calls are open"
        assert environment.counted("backend_errors") == {"overload": 1}
        backend.released.set()
        assert [await each for each in answers] == [CheckResult(0, "", 0.0, 7)] * 3
        assert await far.check() == CheckResult(0, "", 0.0, 7)
        await far.handler.close()

    async def test_a_burst_counts_before_any_call_has_begun(
        self, backend: Backend, environment: Background, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "MOST_OPEN", 2)
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        found: list[Any] = []
        far.handler.check([CheckCall(far.instance.spec, far.row(), found.append) for _ in range(5)])
        assert len(found) == 3
        await environment.stop(5)
        assert sum(isinstance(each, CheckResult) for each in found) == 2
        await far.handler.close()

    async def test_one_that_is_away_is_found_again(self, backend: Backend, environment: Background) -> None:
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        assert await far.check() == CheckResult(0, "", 0.0, 7)
        port = backend.port
        await backend.stop()
        assert await far.check() == "handler there.handler.istio-system failed: unreachable"
        await backend.start(port=port)
        async with asyncio.timeout(20):
            while isinstance(await far.check(), str):
                await asyncio.sleep(0.05)
        assert await far.check() == CheckResult(0, "", 0.0, 7)
        await far.handler.close()

    async def test_a_handler_that_is_closed_answers_what_is_open_and_what_comes_later(
        self, backend: Backend, environment: Background
    ) -> None:
        far = Far(configured("listentry", LISTED, at(backend)), environment)
        backend.released.clear()
        waiting = asyncio.create_task(far.check())
        await backend.arrived.wait()
        await environment.stop()
        await far.handler.close()
        assert await waiting == "handler there.handler.istio-system is closed"
        assert await far.check() == "handler there.handler.istio-system is closed"
        await far.handler.close()

    async def test_addresses_of_a_name_take_turns(self, environment: Background) -> None:
        several = [Backend(allowed=["me"]) for _ in range(2)]
        for each in several:
            await each.start()
        target = "ipv4:" + ",".join(f"127.0.0.1:{each.port}" for each in several)
        far = Far(configured("listentry", LISTED, {"address": target}), environment)
        async with asyncio.timeout(20):
            while not all(each.requests for each in several):
                assert isinstance(await far.check(), CheckResult)
        await far.handler.close()
        for each in several:
            await each.stop()


class TestQuotas:
    async def test_it_is_asked_by_the_instances_full_name(self, backend: Backend, environment: Background) -> None:
        far = Far(configured("quota", {"dimensions": {"who": "source.principal"}}, at(backend)), environment)
        assert await far.quota(3) == QuotaResult(3, 20.0)
        assert await far.quota(9, "again") == QuotaResult(5, 20.0)
        first, second = backend.requests
        wanted = first.quota_request.quotas["asked.instance.istio-system"]
        assert (wanted.amount, wanted.best_effort) == (3, True)
        assert first.instance.dimensions["who"].string_value == "me"
        assert second.dedup_id == "again" != first.dedup_id
        await far.handler.close()

    async def test_a_reply_about_another_quota_is_a_failure(
        self, backend: Backend, environment: Background, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        far = Far(configured("quota", {}, at(backend)), environment)

        async def about_another(self: Any, request: Any, context: Any) -> Any:
            request.quota_request.quotas["other"].amount = 1
            del request.quota_request.quotas["asked.instance.istio-system"]
            return await HANDLE_QUOTA(self, request, context)

        monkeypatch.setattr(Backend, "HandleQuota", about_another)
        await backend.stop()
        await backend.start(port=backend.port)
        answer = await far.quota(1)
        assert isinstance(answer, str)
        assert "says nothing of the quota asked.instance.istio-system" in answer
        await far.handler.close()


HANDLE_QUOTA: Callable[..., Any] = Backend.HandleQuota


class TestReports:
    async def test_they_go_in_batches(self, backend: Backend, environment: Background) -> None:
        params = {"value": "request.size", "dimensions": {"who": "source.principal"}}
        far = Far(configured("metric", params, at(backend)), environment)
        far.report(3)
        far.report(2)
        await environment.stop(10)
        (request,) = backend.requests
        assert [each.value.int64_value for each in request.instances] == [12] * 5
        assert {each.dimensions["who"].string_value for each in request.instances} == {"me"}
        assert request.dedup_id
        assert environment.counted("sent") == {"": 5}
        await far.handler.close()

    async def test_a_batch_that_is_tried_again_keeps_its_number(
        self, backend: Backend, environment: Background
    ) -> None:
        far = Far(configured("metric", {"value": 1}, at(backend)), environment)
        backend.broken = grpc.StatusCode.UNAVAILABLE
        far.report(1)
        await backend.arrived.wait()
        backend.broken = None
        await environment.stop(10)
        assert len(backend.requests) == 2
        assert len({each.dedup_id for each in backend.requests}) == 1
        assert environment.counted("sent") == {"": 1}
        await far.handler.close()

    async def test_what_is_refused_is_dropped_and_counted(self, backend: Backend, environment: Background) -> None:
        far = Far(configured("metric", {"value": 1}, at(backend)), environment)
        backend.broken = grpc.StatusCode.INVALID_ARGUMENT
        far.report(4)
        await environment.stop(10)
        assert environment.counted("dropped") == {"refused": 4}
        await far.handler.close()

    async def test_too_many_are_told_to_whoever_reports(
        self, backend: Backend, environment: Background, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "REPORTS", DeliverySettings(most_waiting=2))
        far = Far(configured("metric", {"value": 1}, at(backend)), environment)
        with pytest.raises(ValueError, match="1 entries were dropped"):
            far.report(3)
        await environment.stop(10)
        assert environment.counted("dropped") == {"full": 1}
        await far.handler.close()


class TestSessions:
    async def test_a_session_tells_the_parameters_once(self, backend: Backend, environment: Background) -> None:
        configuration = configured(
            "metric",
            {"value": "request.size", "dimensions": {"who": "source.principal"}},
            at(backend),
            {"overrides": ["you"]},
            config=CONFIG,
            session_based=True,
        )
        far = Far(configuration, environment, sessions=True)
        far.report(1)
        while len(backend.requests) < 3:
            backend.arrived.clear()
            await backend.arrived.wait()
        validated, created, reported = backend.requests
        assert list_config.Params.FromString(created.adapter_config.value).overrides == ["you"]
        assert validated.inferred_types == created.inferred_types
        inferred = created.inferred_types["asked.instance.istio-system"]
        assert inferred.type_url == "type.googleapis.com/metric.Type"
        types = metric_messages.Type.FromString(inferred.value)
        assert (types.value, dict(types.dimensions)) == (2, {"who": 1})
        assert reported.adapter_config.value.decode() == backend.open_sessions[0]
        await far.handler.close()
        assert backend.open_sessions == []

    async def test_a_backend_that_refuses_the_parameters_gets_no_calls(
        self, backend: Backend, environment: Background
    ) -> None:
        backend.refusal = "no such table"
        configuration = configured(
            "listentry", LISTED, at(backend), {"overrides": ["you"]}, config=CONFIG, session_based=True
        )
        far = Far(configuration, environment, sessions=True)
        assert await far.check() == "handler there.handler.istio-system failed: refused"
        backend.refusal = ""
        assert await far.check() == CheckResult(0, "", 0.0, 7)
        await far.handler.close()
