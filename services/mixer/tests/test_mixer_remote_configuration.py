"""Templates, adapters, handlers and instances out of process: what is read, what is refused, and the bytes of rows."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.configuration.build import Configuration, build_configuration
from flotilla_mixer.configuration.encoding import unquoted
from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.remote import target_of
from flotilla_mixer.templates.remote import remote_template
from flotilla_mixer.templates.standard import STANDARD, descriptor_text, standard_descriptors
from flotilla_mixer.templates.template import Variety
from flotilla_mixer.testing import backends as made
from flotilla_mixer.testing.meshes import problems, read_objects
from flotilla_protos.istio.mixer.adapter.model.v1beta1 import extensions_pb2
from flotilla_protos.istio.mixer.template.authorization import template_handler_service_pb2 as authorization
from flotilla_protos.istio.mixer.template.listentry import template_handler_service_pb2 as listentry
from flotilla_protos.istio.mixer.template.metric import template_handler_service_pb2 as metric
from flotilla_protos.istio.mixer.template.tracespan import tracespan_handler_service_pb2 as tracespan
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

EXAMPLE = Path(__file__).parents[3] / "examples" / "keyval"
ADDRESS = {"address": "127.0.0.1:9070"}
MANIFEST = yaml.safe_dump(
    {
        "apiVersion": "config.istio.io/v1alpha2",
        "kind": "attributemanifest",
        "metadata": {"name": "of-tests", "namespace": "istio-system"},
        "spec": {"attributes": {f"a.{kind.value.lower()}": {"valueType": kind.value} for kind in ValueType}},
    }
)
VALUES: dict[str, object] = {
    "a.string": "text",
    "a.int64": -7,
    "a.double": 2.5,
    "a.bool": True,
    "a.timestamp": Timestamp(1_500_000_000_000_000_001),
    "a.duration": Duration(-1_500_000_000),
    "a.ip_address": bytes((10, 0, 0, 1)),
    "a.dns_name": "a.example",
    "a.email_address": "a@example",
    "a.uri": "http://a.example/x",
    "a.string_map": {"one": "1", "two": "2"},
}


def built(*texts: str) -> Configuration:
    return build_configuration(read_objects(MANIFEST, *texts), {}, "cluster.local")


def listed(params: dict[str, Any]) -> Configuration:
    return built(made.template_object("listentry"), made.instance_object("asked", "listentry", params))


def row_of(template: str, params: dict[str, Any], bag: dict[str, object] | None = None) -> bytes:
    """The bytes of an instance of one of Istio's templates: it goes to a handler, and the rule holds its function."""
    configuration = built(
        made.template_object(template),
        made.adapter_object("far", [template]),
        made.handler_object("there", "far", ADDRESS),
        made.instance_object("asked", template, params),
        made.rule_object("rule", "there", "asked"),
    )
    assert problems(configuration) == []
    (instance,) = configuration.actions[0].instances
    (content,) = instance.fields(VALUES if bag is None else bag) + instance.maps(VALUES)
    assert isinstance(content, bytes)
    return content


class TestTemplates:
    @pytest.mark.parametrize("name", STANDARD)
    def test_each_of_istios_own_can_be_called(self, name: str) -> None:
        found = remote_template(name, standard_descriptors(name))
        assert found.missing == ""
        assert found.method is not None
        assert found.method.path.count("/") == 2
        assert found.messages.class_of(found.method.request)().DESCRIPTOR.full_name == found.method.request

    def test_what_it_says_of_itself(self) -> None:
        found = remote_template("kubernetes", standard_descriptors("kubernetes"))
        assert found.variety is Variety.ATTRIBUTE_GENERATOR
        assert found.method is not None
        assert found.method.path == "/adapter.template.kubernetes.HandleKubernetesService/HandleKubernetes"
        assert found.outputs["source_pod_ip"] is ValueType.IP_ADDRESS
        assert found.outputs["source_labels"] is ValueType.STRING_MAP
        assert found.outputs["destination_owner"] is ValueType.STRING

    def test_the_examples_objects_are_read(self) -> None:
        made_objects = subprocess.run(
            [sys.executable, EXAMPLE / "describe.py"], capture_output=True, text=True, check=True
        )
        found = built(made_objects.stdout, "---\n", (EXAMPLE / "handler.yaml").read_text())
        assert problems(found) == []
        (template,) = found.remote.templates.values()
        assert (template.name, template.variety, dict(template.outputs)) == (
            "keyval.template.istio-system",
            Variety.CHECK,
            {"value": ValueType.STRING},
        )
        (directive,) = found.directives
        assert [each.prefix for each in directive.outputs] == ["asked.output."]

    @pytest.mark.parametrize(
        ("descriptor", "said"),
        [
            ("%%%", "not base64"),
            ("YQ==", "no FileDescriptorSet"),
            ("", "exactly one file"),
            ("A" * (4 * 1024 * 1024 + 1), "characters"),
        ],
    )
    def test_one_without_a_descriptor_is_left_out(self, descriptor: str, said: str) -> None:
        found = built(made.template_object("listentry", descriptor or " "), made.instance_object("i", "listentry", {}))
        assert problems(found) == [
            ("template", "listentry", "spec.descriptor", "bad-descriptor"),
            ("instance", "i", "spec.template", "unknown-template"),
        ]
        (problem, *_) = next(iter(found.problems.values()))
        assert said in problem.text

    @pytest.mark.parametrize(("name", "variety"), [("", 0), ("list entry", 0), ("liste1", 0), ("fine", 9)])
    def test_its_options_must_be_those_of_a_template(self, name: str, variety: int) -> None:
        file = FileDescriptorProto(name="x.proto", package="x")
        # An unknown number of the enum is only on the wire.
        file.options.ParseFromString(option_bytes(name, variety))
        text = base64.b64encode(FileDescriptorSet(file=[file]).SerializeToString()).decode()
        assert problems(built(made.template_object("x", text))) == [
            ("template", "x", "spec.descriptor", "bad-descriptor")
        ]

    def test_two_templates_in_one_descriptor_are_none(self) -> None:
        both = standard_descriptors("listentry")
        both.file.extend(standard_descriptors("metric").file[-1:])
        text = base64.b64encode(both.SerializeToString()).decode()
        assert problems(built(made.template_object("x", text)))[0][3] == "bad-descriptor"

    def test_one_without_a_service_is_taken_and_nothing_of_it_can_be_called(self) -> None:
        found = standard_descriptors("listentry")
        del found.file[-1].service[:]
        text = base64.b64encode(found.SerializeToString()).decode()
        assert problems(built(made.template_object("x", text))) == [
            ("template", "x", "spec.descriptor", "not-callable")
        ]


def option_bytes(name: str, variety: int) -> bytes:
    from flotilla_mixer.templates.wire import scalar

    number = extensions_pb2.template_name.number
    return scalar(number, FieldDescriptorProto.TYPE_STRING)(name) + scalar(
        extensions_pb2.template_variety.number, FieldDescriptorProto.TYPE_INT32
    )(variety)


class TestAdapters:
    def test_one_with_an_unknown_template_is_not_recorded(self) -> None:
        found = built(
            made.template_object("listentry"),
            made.adapter_object("far", ["listentry", "nowhere"]),
            made.handler_object("there", "far", ADDRESS),
        )
        assert problems(found) == [
            ("adapter", "far", "spec.templates[1]", "unknown-template"),
            ("handler", "there", "spec.adapter", "unknown-adapter"),
        ]

    @pytest.mark.parametrize("reference", ["far", "far.istio-system", "far.adapter.istio-system"])
    def test_handlers_name_it_in_each_way(self, reference: str) -> None:
        found = built(
            made.template_object("listentry"),
            made.adapter_object("far", ["listentry.template.istio-system"]),
            made.handler_object("there", reference, ADDRESS),
        )
        assert problems(found) == []

    def test_its_parameters_are_described(self) -> None:
        described = standard_descriptors("listentry")  # a set without a message Params
        text = base64.b64encode(described.SerializeToString()).decode()
        assert problems(built(made.adapter_object("far", [], config=text))) == [
            ("adapter", "far", "spec.config", "bad-descriptor")
        ]

    @pytest.mark.parametrize(
        ("connection", "params", "field", "code"),
        [
            ({}, None, "spec.connection.address", "bad-connection"),
            ({"address": "nowhere"}, None, "spec.connection.address", "bad-connection"),
            ({"address": "x:70000"}, None, "spec.connection.address", "bad-connection"),
            ({**ADDRESS, "timeout": "-1s"}, None, "spec.connection.timeout", "bad-connection"),
            ({**ADDRESS, "authentication": {"tls": {}}}, None, "spec.connection.authentication.tls", "bad-connection"),
            (
                {**ADDRESS, "authentication": {"tls": {"tokenPath": "/t"}}},
                None,
                "spec.connection.authentication.tls",
                "bad-connection",
            ),
            (
                {**ADDRESS, "authentication": {"tls": {"tokenPath": "/t", "customHeader": "two words"}}},
                None,
                "spec.connection.authentication.tls.customHeader",
                "bad-connection",
            ),
            (
                {**ADDRESS, "authentication": {"tls": {"oauth": {"clientId": "me"}}}},
                None,
                "spec.connection.authentication.tls.oauth.clientSecret",
                "bad-connection",
            ),
            (
                {**ADDRESS, "authentication": {"tls": {"oauth": {"clientSecret": "/s", "tokenUrl": "ftp://x"}}}},
                None,
                "spec.connection.authentication.tls.oauth.tokenUrl",
                "bad-connection",
            ),
            (
                {**ADDRESS, "authentication": {"tls": {"oauth": {"clientSecret": "/s", "tokenUrl": "http://x/"}}}},
                None,
                "spec.connection.authentication.tls.oauth.tokenUrl",
                "bad-connection",
            ),
            (
                {**ADDRESS, "authentication": {"mutual": {"clientCertificate": "/c"}}},
                None,
                "spec.connection.authentication.mutual.privateKey",
                "bad-connection",
            ),
            (ADDRESS, {"size": 1}, "spec.params", "bad-params"),
        ],
    )
    def test_a_handler_that_cannot_be(self, connection: Any, params: Any, field: str, code: str) -> None:
        found = built(
            made.template_object("listentry"),
            made.adapter_object("far", ["listentry"]),
            made.handler_object("there", "far", connection, params),
        )
        assert problems(found) == [("handler", "there", field, code)]

    @pytest.mark.parametrize(
        ("address", "target"),
        [
            ("host:9070", "dns:///host:9070"),
            (" [::1]:9070 ", "dns:///[::1]:9070"),
            ("dns:///host:9070", "dns:///host:9070"),
            ("passthrough:///host:9070", "host:9070"),
            ("unix:/run/x", "unix:/run/x"),
        ],
    )
    def test_addresses(self, address: str, target: str) -> None:
        assert target_of(address) == target

    @pytest.mark.parametrize("address", ["", ":9070", "host", "host:0", "host:x", "http://host:80"])
    def test_what_is_no_address(self, address: str) -> None:
        with pytest.raises(ValueError, match=r"host:port"):
            target_of(address)


class TestInstances:
    @pytest.mark.parametrize(
        ("params", "field", "code"),
        [
            ({"size": "1"}, "spec.params.size", "unknown-field"),
            ({"name": "mine"}, "spec.params.name", "unknown-field"),
            ({"value": "no.such"}, "spec.params.value", "bad-expression"),
            ({"value": "((("}, "spec.params.value", "bad-expression"),
            ({"value": None}, "spec.params.value", "wrong-type"),
            ({"value": []}, "spec.params.value", "wrong-type"),
        ],
    )
    def test_what_is_wrong_with_a_value(self, params: Any, field: str, code: str) -> None:
        found = listed(params)
        assert problems(found) == [("instance", "asked", field, code)]
        assert found.instances == ()

    @pytest.mark.parametrize(
        ("params", "field", "code"),
        [
            ({"trace_id": "a.int64"}, "spec.params.trace_id", "wrong-type"),
            ({"trace_id": 5}, "spec.params.trace_id", "wrong-type"),
            ({"client_span": "'yes'"}, "spec.params.client_span", "wrong-type"),
            ({"request_size": 1.5}, "spec.params.request_size", "wrong-type"),
            ({"request_size": 1e30}, "spec.params.request_size", "wrong-value"),
            ({"start_time": 5}, "spec.params.start_time", "wrong-type"),
            ({"source_ip": "a.string"}, "spec.params.source_ip", "wrong-type"),
            ({"span_tags": 5}, "spec.params.span_tags", "wrong-type"),
            ({"span_tags": "a.string"}, "spec.params.span_tags", "wrong-type"),
            ({"span_tags": {"x": "no.such"}}, "spec.params.span_tags[x]", "bad-expression"),
        ],
    )
    def test_what_is_wrong_with_a_field_of_one_type(self, params: Any, field: str, code: str) -> None:
        found = built(made.template_object("tracespan"), made.instance_object("asked", "tracespan", params))
        assert problems(found) == [("instance", "asked", field, code)]

    def test_text_in_quotes_is_a_constant_and_other_text_an_expression(self) -> None:
        for text, value in (("'x'", "x"), ('"x y"', "x y"), ("a.string", "text"), ("'a' + a.string", "atext")):
            found = listentry.InstanceMsg.FromString(row_of("listentry", {"value": text}))
            assert (found.name, found.value.string_value) == ("asked.instance.istio-system", value)

    def test_numbers_and_booleans_stand_for_themselves(self) -> None:
        assert listentry.InstanceMsg.FromString(row_of("listentry", {"value": 5})).value.double_value == 5.0
        assert listentry.InstanceMsg.FromString(row_of("listentry", {"value": True})).value.bool_value is True

    def test_every_type_has_its_value(self) -> None:
        params = {"dimensions": {kind.value: f"a.{kind.value.lower()}" for kind in ValueType}, "value": "a.int64"}
        found = metric.InstanceMsg.FromString(row_of("metric", params))
        assert found.value.int64_value == -7
        read = found.dimensions
        assert read["STRING"].string_value == "text"
        assert read["DOUBLE"].double_value == 2.5
        assert read["BOOL"].bool_value is True
        assert read["TIMESTAMP"].timestamp_value.value.ToNanoseconds() == VALUES["a.timestamp"]
        assert read["DURATION"].duration_value.value.ToNanoseconds() == VALUES["a.duration"]
        assert read["IP_ADDRESS"].ip_address_value.value == VALUES["a.ip_address"]
        assert read["DNS_NAME"].dns_name_value.value == "a.example"
        assert read["EMAIL_ADDRESS"].email_address_value.value == "a@example"
        assert read["URI"].uri_value.value == "http://a.example/x"
        assert dict(read["STRING_MAP"].string_map_value.value) == VALUES["a.string_map"]

    def test_keys_of_maps_are_never_expressions(self) -> None:
        found = metric.InstanceMsg.FromString(row_of("metric", {"value": 1, "dimensions": {"a.string": "'x'"}}))
        assert found.dimensions["a.string"].string_value == "x"

    def test_messages_in_messages(self) -> None:
        params = {"subject": {"user": "a.string", "properties": {"k": "a.bool"}}, "action": {"path": "'/p'"}}
        found = authorization.InstanceMsg.FromString(row_of("authorization", params))
        assert (found.subject.user, found.subject.properties["k"].bool_value, found.action.path) == ("text", True, "/p")

    def test_fields_of_one_type_by_either_name(self) -> None:
        params = {
            "traceId": "'t'",
            "start_time": "a.timestamp",
            "sourceIp": "a.ip_address",
            "requestSize": "a.int64",
            "response_size": 12,
            "clientSpan": True,
            "rewrite_client_span_id": "a.bool",
            "spanTags": {"tag": "a.string"},
        }
        found = tracespan.InstanceMsg.FromString(row_of("tracespan", params))
        assert (found.trace_id, found.request_size, found.response_size) == ("t", -7, 12)
        assert found.start_time.value.ToNanoseconds() == VALUES["a.timestamp"]
        assert found.source_ip.value == VALUES["a.ip_address"]
        assert (found.client_span, found.rewrite_client_span_id) == (True, True)
        assert found.span_tags["tag"].string_value == "text"

    @pytest.mark.parametrize("value", [5, None, "\ud800", b"\0"])
    def test_a_value_of_another_type_is_no_row(self, value: object) -> None:
        with pytest.raises(EvaluationError):
            row_of("tracespan", {"traceId": "a.string"}, {"a.string": value})

    def test_a_missing_attribute_is_no_row(self) -> None:
        with pytest.raises(EvaluationError, match=r"a\.string"):
            row_of("listentry", {"value": "a.string"}, {})

    @given(
        text=st.text(st.characters(exclude_categories=("Cs",))),
        number=st.integers(-(2**63), 2**63 - 1),
        real=st.floats(allow_nan=False),
        moment=st.integers(0, 2**62),
        texts=st.dictionaries(st.text(max_size=5), st.text(max_size=200), max_size=4),
    )
    def test_any_values_are_read_back(
        self, text: str, number: int, real: float, moment: int, texts: dict[str, str]
    ) -> None:
        instance = ROW.actions[0].instances[0]
        bag: dict[str, object] = {
            "a.string": text,
            "a.int64": number,
            "a.double": real,
            "a.timestamp": Timestamp(moment),
            "a.string_map": texts,
        }
        found = metric.InstanceMsg.FromString(instance.fields(bag)[0])
        read = found.dimensions
        assert (found.value.int64_value, read["s"].string_value, read["d"].double_value) == (number, text, real)
        assert read["t"].timestamp_value.value.ToNanoseconds() == moment
        assert dict(read["m"].string_map_value.value) == texts


class TestChanges:
    """What is built anew when something changes."""

    def texts(self, template: str = "", params: Any = None, address: str = "127.0.0.1:9070") -> tuple[str, ...]:
        return (
            made.template_object("listentry", template),
            made.adapter_object("far", ["listentry"]),
            made.handler_object("there", "far", {"address": address}),
            made.instance_object("asked", "listentry", params or {"value": "a.string"}),
            made.rule_object("rule", "there", "asked"),
        )

    def build(self, memory: Memory, *texts: str) -> Configuration:
        return build_configuration(read_objects(MANIFEST, *texts), {}, "cluster.local", memory=memory)

    def test_what_did_not_change_is_the_same_and_its_handler_stays(self) -> None:
        memory = Memory()
        first, second = (self.build(memory, *self.texts()) for _ in range(2))
        assert first.actions[0].instances[0] is second.actions[0].instances[0]
        assert signature(first) == signature(second)

    @pytest.mark.parametrize("what", ["template", "address", "type"])
    def test_what_concerns_a_handler_makes_it_new(self, what: str) -> None:
        changed = standard_descriptors("listentry")
        changed.file[-1].message_type[1].field.add(name="more", number=2, type=9, label=1)
        changes: dict[str, dict[str, Any]] = {
            "template": {"template": descriptor_text(changed)},
            "address": {"address": "127.0.0.1:9071"},
            "type": {"params": {"value": "a.int64"}},
        }
        memory = Memory()
        first = self.build(memory, *self.texts())
        second = self.build(memory, *self.texts(**changes[what]))
        assert problems(second) == []
        assert signature(first) != signature(second)

    def test_an_expression_of_the_same_type_leaves_the_handler_as_it_is(self) -> None:
        memory = Memory()
        first = self.build(memory, *self.texts())
        second = self.build(memory, *self.texts(params={"value": "'x' + a.string"}))
        assert first.actions[0].instances[0] is not second.actions[0].instances[0]
        assert signature(first) == signature(second)


def signature(configuration: Configuration) -> str:
    (handler,) = configuration.handlers.values()
    return handler.signature


ROW = built(
    made.template_object("metric"),
    made.adapter_object("far", ["metric"]),
    made.handler_object("there", "far", ADDRESS),
    made.instance_object(
        "asked",
        "metric",
        {
            "value": "a.int64",
            "dimensions": {"s": "a.string", "d": "a.double", "t": "a.timestamp", "m": "a.string_map", "fixed": "'x'"},
        },
    ),
    made.rule_object("rule", "there", "asked"),
)


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("'x'", "x"),
        ('"x"', "x"),
        ("`x`", "x"),
        (" 'x' ", "x"),
        ("''", ""),
        ("'", None),
        ("x", None),
        ("'a' + 'b'", None),
        ("'a\"", None),
    ],
)
def test_quotes(text: str, constant: str | None) -> None:
    assert unquoted(text) == constant
