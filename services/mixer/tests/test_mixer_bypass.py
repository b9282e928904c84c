"""Bypass against a real server: rows of every template as the messages of Istio's services, sessions, generators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from flotilla_mixer.adapters.bypass.adapter import Bypass
from flotilla_mixer.adapters.bypass.rows import row_encoder, types_of
from flotilla_mixer.kit.adapter import CheckCall, GenerateCall, ReportBatch
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.templates.catalogue import KUBERNETES, LIST_ENTRY, METRIC, TEMPLATES, TRACE_SPAN
from flotilla_mixer.templates.remote import remote_template
from flotilla_mixer.templates.standard import standard_descriptors
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.backends import Backend
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.bypass.config.config_pb2 import Params
from flotilla_protos.istio.mixer.adapter.list.config.config_pb2 import Params as ListParams
from flotilla_protos.istio.mixer.template.authorization import template_handler_service_pb2 as authorization
from flotilla_protos.istio.mixer.template.metric import template_handler_service_pb2 as metric
from flotilla_protos.istio.mixer.template.tracespan import tracespan_handler_service_pb2 as tracespan
from flotilla_shared.model.expressions import ValueType


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    found = Backend(allowed=["text"])
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def environment() -> AsyncIterator[Background]:
    found = Background()
    yield found
    await found.stop()


def described(spec: InstanceSpec) -> Any:
    return remote_template(spec.template.name, standard_descriptors(spec.template.name))


def message_of(spec: InstanceSpec, row: tuple[Any, ...], kind: Any) -> Any:
    return kind.FromString(row_encoder(spec, described(spec))(row))


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_row_of_every_template_is_read_back_whole(name: str) -> None:
    spec = sample_spec(TEMPLATES[name])
    template = described(spec)
    found: Any = template.messages.class_of(template.instance).FromString(row_encoder(spec, template)(sample_row(spec)))
    assert found.name == spec.name
    unset = [field.name for field in found.DESCRIPTOR.fields if field not in dict(found.ListFields())]
    assert unset == []


def test_parts_and_maps_are_where_they_belong() -> None:
    spec = sample_spec(TEMPLATES["authorization"])
    found = message_of(spec, sample_row(spec), authorization.InstanceMsg)
    assert (found.subject.user, found.action.path) == ("text", "text")
    assert found.subject.properties["code"].string_value == "code of it"
    assert found.action.properties["who"].string_value == "who of it"


def test_values_keep_their_types() -> None:
    spec = sample_spec(METRIC, value=ValueType.DURATION)
    found = message_of(spec, sample_row(spec), metric.InstanceMsg)
    assert found.value.duration_value.value.ToNanoseconds() == 2_500_000
    span = sample_spec(TRACE_SPAN)
    read = message_of(span, sample_row(span), tracespan.InstanceMsg)
    assert (read.httpStatusCode, read.client_span, read.source_ip.value) == (7, True, bytes([10, 0, 0, 1]))


def test_fields_that_were_not_given_are_left_out() -> None:
    spec = InstanceSpec("x.instance.test", LIST_ENTRY)
    assert row_encoder(spec, described(spec))((None,)) == row_encoder(spec, described(spec))(("never read",))


def test_types_are_told_by_path() -> None:
    found = types_of(sample_spec(METRIC))
    assert found["value"] is ValueType.INT64
    assert found["dimensions[who]"] is ValueType.STRING


async def built(params: Params, specs: list[InstanceSpec], environment: Background) -> Any:
    adapter = Bypass()
    assert list(adapter.validate(params, specs)) == []
    return adapter.build(params, specs, environment)


async def checked(handler: Any, spec: InstanceSpec, row: Any) -> Any:
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    handler.check([CheckCall(spec, row, answer.set_result)])
    return await asyncio.wait_for(answer, 20)


async def test_the_server_decides_and_is_told(backend: Backend, environment: Background) -> None:
    specs = [sample_spec(LIST_ENTRY, value=ValueType.STRING), sample_spec(METRIC)]
    config = AnyMessage()
    config.Pack(ListParams(overrides=["other"]))
    handler = await built(Params(backend_address=f"127.0.0.1:{backend.port}", params=config), specs, environment)
    assert await checked(handler, specs[0], ("text",)) == CheckResult(0, "", 0.0, 7)
    assert await checked(handler, specs[0], ("other",)) == CheckResult(0, "", 0.0, 7)
    assert (await checked(handler, specs[0], ("nobody",))).message == "not on the list"
    handler.report([ReportBatch(specs[1], [sample_row(specs[1])] * 2)])
    await environment.stop(10)
    reported = backend.requests[-1]
    assert [each.value.int64_value for each in reported.instances] == [7, 7]
    assert reported.adapter_config == config
    await handler.close()


async def test_a_generator_that_knows_nothing_gives_nothing(backend: Backend, environment: Background) -> None:
    spec = sample_spec(KUBERNETES)
    handler = await built(Params(backend_address=f"127.0.0.1:{backend.port}"), [spec], environment)
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    handler.generate([GenerateCall(spec, sample_row(spec), answer.set_result)])
    assert await asyncio.wait_for(answer, 20) == {}
    await handler.close()


async def test_a_session_is_told_the_types_of_all_instances(backend: Backend, environment: Background) -> None:
    specs = [sample_spec(LIST_ENTRY, value=ValueType.STRING), sample_spec(METRIC)]
    config = AnyMessage()
    config.Pack(ListParams(overrides=["other"]))
    params = Params(backend_address=f"127.0.0.1:{backend.port}", params=config, session_based=True)
    handler = await built(params, specs, environment)
    assert await checked(handler, specs[0], ("text",)) == CheckResult(0, "", 0.0, 7)
    validated, created, asked = backend.requests
    assert validated.adapter_config == created.adapter_config == config
    assert set(created.inferred_types) == {"listentry.instance.test", "metric.instance.test"}
    types = metric.Type.FromString(created.inferred_types["metric.instance.test"].value)
    assert (types.value, types.dimensions["who"]) == (2, 1)
    assert asked.adapter_config.value.decode() == backend.open_sessions[0]
    await handler.close()
    assert backend.open_sessions == []


async def test_rows_that_do_not_fit_harm_no_others(backend: Backend, environment: Background) -> None:
    spec = sample_spec(METRIC)
    handler = await built(Params(backend_address=f"127.0.0.1:{backend.port}"), [spec], environment)
    with pytest.raises(ValueError, match="does not fit"):
        handler.report([ReportBatch(spec, [("text", "text", (), ()), sample_row(spec)])])
    await environment.stop(10)
    assert len(backend.requests[-1].instances) == 1
    await handler.close()
