"""What backends give beside their answers: types of outputs, attributes of generators, headers of rules."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from flotilla_mixer.adapters.remote.outputs import outputs_of
from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.configuration.operations import ActionOutput
from flotilla_mixer.dispatch.outputs import BagWithOutputs
from flotilla_mixer.templates.descriptors import DescriptorError, Messages
from flotilla_mixer.templates.remote import output_types
from flotilla_mixer.templates.standard import descriptors_of
from flotilla_mixer.testing import backends as made
from flotilla_mixer.testing.backends import Backend
from flotilla_mixer.testing.far import Far, at
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.meshes import problems, read_objects
from flotilla_protos.istio.policy.v1beta1 import type_pb2
from flotilla_shared.model import kinds
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType
from flotilla_shared.model.objects import ObjectKey

POLICY = ".istio.policy.v1beta1."
TYPES = {
    "text": FieldDescriptorProto.TYPE_STRING,
    "whole": FieldDescriptorProto.TYPE_SINT32,
    "real": FieldDescriptorProto.TYPE_FLOAT,
    "sure": FieldDescriptorProto.TYPE_BOOL,
    "raw": FieldDescriptorProto.TYPE_BYTES,
    "address": f"{POLICY}IPAddress",
    "moment": f"{POLICY}TimeStamp",
    "span": f"{POLICY}Duration",
    "host": f"{POLICY}DNSName",
    "mail": f"{POLICY}EmailAddress",
    "place": f"{POLICY}Uri",
    "map": f"{POLICY}StringMap",
    "bare_moment": ".google.protobuf.Timestamp",
    "any": f"{POLICY}Value",
}


@pytest.fixture(scope="module")
def messages() -> Messages:
    """A message OutputMsg with a field of every type, and one that repeats."""
    file = FileDescriptorProto(name="out.proto", package="out", syntax="proto3")
    file.dependency.append(type_pb2.DESCRIPTOR.name)
    file.dependency.append("google/protobuf/timestamp.proto")
    message = file.message_type.add(name="OutputMsg")
    for number, (name, kind) in enumerate(TYPES.items(), 1):
        field = message.field.add(name=name, number=number, label=1)
        if isinstance(kind, str):
            field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind
        else:
            field.type = kind
    message.field.add(name="many", number=99, label=3, type=FieldDescriptorProto.TYPE_STRING)
    return Messages([*descriptors_of(type_pb2).file, file])


def test_outputs_have_the_types_of_the_language(messages: Messages) -> None:
    assert output_types(messages, "out.OutputMsg") == {
        "text": ValueType.STRING,
        "whole": ValueType.INT64,
        "real": ValueType.DOUBLE,
        "sure": ValueType.BOOL,
        "address": ValueType.IP_ADDRESS,
        "moment": ValueType.TIMESTAMP,
        "span": ValueType.DURATION,
        "host": ValueType.DNS_NAME,
        "mail": ValueType.EMAIL_ADDRESS,
        "place": ValueType.URI,
        "map": ValueType.STRING_MAP,
        "bare_moment": ValueType.TIMESTAMP,
    }


def test_what_was_set_is_there_and_nothing_else(messages: Messages) -> None:
    given: Any = messages.class_of("out.OutputMsg")()
    assert outputs_of(given) == {}
    given.text, given.whole, given.real, given.sure, given.raw = "x", -3, 0.5, True, b"raw"
    given.address.value = b"\1\2\3\4"
    given.moment.value.FromNanoseconds(1_000_000_007)
    given.span.value.FromNanoseconds(-5)
    given.bare_moment.FromNanoseconds(9)
    given.host.value, given.mail.value, given.place.value = "h", "m@h", "u:"
    given.map.value["k"] = "v"
    given.many.append("x")
    given.any.string_value = "x"
    found = outputs_of(given)
    assert found == {
        "text": "x",
        "whole": -3,
        "real": 0.5,
        "sure": True,
        "address": b"\1\2\3\4",
        "moment": Timestamp(1_000_000_007),
        "span": Duration(-5),
        "host": "h",
        "mail": "m@h",
        "place": "u:",
        "map": {"k": "v"},
        "bare_moment": Timestamp(9),
    }
    assert (type(found["moment"]), type(found["span"])) == (Timestamp, Duration)


def test_a_set_that_does_not_hold_what_it_names_is_told() -> None:
    file = FileDescriptorProto(name="out.proto", package="out", syntax="proto3")
    field = file.message_type.add(name="OutputMsg").field.add(name="x", number=1, label=1)
    field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, ".nowhere.Message"
    with pytest.raises(DescriptorError, match=r"does not describe out\.OutputMsg whole"):
        Messages([file]).class_of("out.OutputMsg")


def test_who_answered_first_is_heard_and_attributes_are_there_beside_outputs() -> None:
    handler = ObjectKey(kinds.HANDLERS, "ns", "h")
    wanted = [ActionOutput("a.output.", handler, "i", {"x": ValueType.STRING})]
    bag = BagWithOutputs({"b": "attribute"}, wanted, {(handler, "i"): {"x": "given"}, (handler, "j"): {"x": "other"}})
    assert (bag["a.output.x"], bag["b"], bag.get("c", 1), set(bag), len(bag)) == (
        "given",
        "attribute",
        1,
        {"a.output.x", "b"},
        2,
    )
    with pytest.raises(KeyError):
        bag["a.output.y"]


KUBERNETES = {"source_uid": "source.uid", "source_ip": "source.ip"}
BOUND = {"source.name": 'output.source_pod_name | "none"', "source.labels": "output.source_labels | emptyStringMap()"}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    found = Backend()
    await found.start()
    yield found
    await found.stop()


async def test_a_generator_out_of_process_brings_attributes(backend: Backend) -> None:
    instance = made.instance_object("asked", "kubernetes", KUBERNETES)
    texts = [
        made.template_object("kubernetes"),
        made.adapter_object("far", ["kubernetes"]),
        made.handler_object("there", "far", at(backend)),
        instance.replace("spec:", "spec:\n  attributeBindings: " + repr(BOUND)),
        made.rule_object("rule", "there", "asked"),
    ]
    configuration = build_configuration(read_objects(*texts), {}, "cluster.local")
    assert problems(configuration) == []
    environment = Background()
    far = Far(configuration, environment)
    backend.outputs = {"source_pod_name": "p1", "source_labels": {"app": "x"}}
    found = await far.generate(**{"source.uid": "u", "source.ip": b"\n\0\0\1"})
    assert found == {"source_pod_name": "p1", "source_labels": {"app": "x"}}
    assert (backend.requests[0].instance.source_uid, backend.requests[0].instance.source_ip.value) == (
        "u",
        b"\n\0\0\1",
    )
    outputs = {f"output.{name}": value for name, value in found.items()}
    assert {name: bind(outputs) for name, bind in far.instance.bindings.items()} == {
        "source.name": "p1",
        "source.labels": {"app": "x"},
    }
    assert {name: bind({}) for name, bind in far.instance.bindings.items()} == {
        "source.name": "none",
        "source.labels": {},
    }
    await environment.stop()
    await far.handler.close()


@pytest.mark.parametrize(
    ("binding", "code"),
    [
        ({"no.such": "output.source_pod_name"}, "unknown-attribute"),
        ({"source.name": "output.nothing"}, "bad-expression"),
        ({"source.name": "output.source_labels"}, "wrong-type"),
    ],
)
def test_bindings_that_are_wrong_are_told(binding: dict[str, str], code: str) -> None:
    instance = made.instance_object("asked", "kubernetes", KUBERNETES)
    text = instance.replace("spec:", "spec:\n  attributeBindings: " + repr(binding))
    found = build_configuration(read_objects(made.template_object("kubernetes"), text), {}, "cluster.local")
    (name,) = binding
    assert problems(found) == [("instance", "asked", f"spec.attributeBindings[{name}]", code)]


VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4" / "files"


@pytest.mark.parametrize(
    "files",
    [
        ("samples/httpbin/policy/keyval-template.yaml", "samples/httpbin/policy/keyval.yaml"),
        ("mixer-testdata/listentrytemplate.yaml",),
    ],
    ids=["keyval", "listentry"],
)
def test_what_istios_own_tools_wrote_is_read(files: tuple[str, ...]) -> None:
    paths = [VECTORS / file for file in files]
    if not all(path.exists() for path in paths):
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    found = build_configuration(read_objects(*(path.read_text() for path in paths)), {}, "cluster.local")
    assert problems(found) == []
    (template,) = found.remote.templates.values()
    assert template.missing == ""
    assert template.method is not None
    assert template.messages.class_of(template.method.request)
    assert template.messages.class_of(template.method.response)
