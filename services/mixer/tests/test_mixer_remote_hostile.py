"""Descriptors, parameters and replies that nobody should write: told or refused, and never anybody else's harm."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.adapters.remote.connect import service_of
from flotilla_mixer.adapters.remote.service import ReplyError, quota_result
from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.templates.remote import remote_template
from flotilla_mixer.templates.standard import descriptors_of, standard_descriptors
from flotilla_mixer.testing import backends as made
from flotilla_mixer.testing.meshes import problems, read_objects
from flotilla_protos.istio.mixer.adapter.list.config import config_pb2

WHOLE = standard_descriptors("metric").SerializeToString()
LIST = descriptors_of(config_pb2).SerializeToString()
ADDRESS = {"address": "127.0.0.1:9070"}
NEIGHBOUR = (
    made.template_object("listentry"),
    made.adapter_object("near", ["listentry"]),
    made.handler_object("well", "near", ADDRESS),
    made.instance_object("fine", "listentry", {"value": "source.principal"}),
    made.rule_object("works", "well", "fine"),
)
# What YAML can hold in place of a field.
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["value", "dimensions", "monitored_resource_type", "monitoredResourceDimensions", "name", "x"])
PARAMS = st.dictionaries(NAMES, JSON, max_size=4)


def judged(descriptor: bytes, params: Any) -> None:
    """Whatever becomes of it, the neighbour works; and what is taken makes rows or says why not."""
    texts = (
        made.template_object("odd", base64.b64encode(descriptor).decode() or " "),
        made.adapter_object("far", ["odd"]),
        made.handler_object("there", "far", ADDRESS),
        made.instance_object("asked", "odd", params),
        made.rule_object("rule", "there", "asked"),
    )
    found = build_configuration(read_objects(*NEIGHBOUR, *texts), {}, "cluster.local")
    assert not [each for each in problems(found) if each[1] in ("well", "fine", "works", "near", "listentry")]
    assert "works" in [action.rule.name for action in found.actions]
    for action in found.actions:
        for instance in action.instances:
            try:
                (content,) = instance.row({"source.principal": "me"})
            except EvaluationError:
                continue
            assert isinstance(content, bytes)
    for template in found.remote.templates.values():
        if template.method is not None:
            with suppress(ValueError):
                service_of(template)


@given(data=st.binary(max_size=200))
def test_any_bytes_as_a_descriptor(data: bytes) -> None:
    judged(data, {})


@given(place=st.integers(0, len(WHOLE) - 1), new=st.binary(min_size=1, max_size=4), cut=st.integers(0, 4))
def test_a_descriptor_with_some_bytes_changed(place: int, new: bytes, cut: int) -> None:
    judged(WHOLE[:place] + new + WHOLE[place + cut :], {"value": 1, "dimensions": {"a": "source.principal"}})


@given(params=PARAMS)
def test_any_parameters_of_an_instance(params: Any) -> None:
    judged(WHOLE, params)


def of_params(descriptor: bytes, params: Any) -> list[tuple[str, str, str, str]]:
    config = base64.b64encode(descriptor).decode()
    handler = made.handler_object("there", "far", ADDRESS, params)
    texts = (made.adapter_object("far", [], config=config), handler)
    found = build_configuration(read_objects(*NEIGHBOUR, *texts), {}, "cluster.local")
    assert "works" in [action.rule.name for action in found.actions]
    return problems(found)


@given(place=st.integers(0, len(LIST) - 1), new=st.binary(min_size=1, max_size=4), cut=st.integers(0, 4), params=PARAMS)
def test_parameters_of_a_handler_by_a_descriptor_with_some_bytes_changed(
    place: int, new: bytes, cut: int, params: Any
) -> None:
    of_params(LIST[:place] + new + LIST[place + cut :], params | {"ttl": "5s"})


def test_a_duration_that_is_none() -> None:
    found = FileDescriptorSet.FromString(LIST)
    (file,) = (each for each in found.file if each.name == "google/protobuf/duration.proto")
    del file.message_type[0].field[:]
    (problem,) = of_params(found.SerializeToString(), {"ttl": "5s"})
    assert problem == ("handler", "there", "spec.params", "bad-params")


def changed(how: str) -> bytes:
    found = FileDescriptorSet.FromString(WHOLE)
    file = found.file[-1]
    (message,) = (each for each in file.message_type if each.name == "InstanceMsg")
    match how:
        case "a number below zero":
            message.field[1].number = -5
        case "two fields of one number":
            message.field[1].number = message.field[2].number
        case "a map of one field":
            del message.nested_type[0].field[1]
        case "a map of three fields":
            message.nested_type[0].field.add(name="third", number=3, type=Field.TYPE_STRING, label=1)
        case "a group":
            message.field[1].type = Field.TYPE_GROUP
        case "no type":
            message.field[1].ClearField("type")
            message.field[1].ClearField("type_name")
        case "a type that is not there":
            message.field[1].type_name = ".no.such"
        case "itself":
            message.field[1].type_name = ".metric.InstanceMsg"
        case "another request":
            file.service[0].method[0].input_type = ".metric.Type"
        case "another reply":
            file.service[0].method[0].output_type = ".no.such"
    return found.SerializeToString()


@pytest.mark.parametrize(
    "how",
    [
        "a number below zero",
        "two fields of one number",
        "a map of one field",
        "a map of three fields",
        "a group",
        "no type",
        "a type that is not there",
        "itself",
        "another request",
        "another reply",
    ],
)
def test_a_descriptor_that_protobuf_would_not_have(how: str) -> None:
    value: Any = {"value": {"value": 1}} if how == "itself" else "source.principal"
    judged(changed(how), {"value": value, "dimensions": {"a": "source.principal", "b": 1}})


@given(reply=st.binary(max_size=100))
def test_any_bytes_as_a_reply(reply: bytes) -> None:
    for name in ("listentry", "kubernetes"):
        service = service_of(remote_template(name, standard_descriptors(name)))
        try:
            found: Any = service.outputs(reply) if name == "kubernetes" else service.check_result(reply)
        except ReplyError:
            continue
        assert found is not None
    with suppress(ReplyError):
        assert quota_result("i", reply).amount >= 0
