"""From objects to a configuration: what takes effect, and what is told of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.configuration.names import by_full_name, display_name, full_name, resolve
from flotilla_mixer.configuration.params import ParamsError, read_params
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.testing.meshes import DENY, configured, deny, problems, read_objects
from flotilla_protos.istio.mixer.adapter.denier.config.config_pb2 import Params as DenierParams
from flotilla_protos.istio.mixer.adapter.prometheus.config.config_pb2 import Params as PrometheusParams
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey

HANDLERS, INSTANCES = kinds.HANDLERS, kinds.INSTANCES
METRIC = """\
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: size, namespace: default}
spec:
  compiledTemplate: metric
  params:
    value: VALUE
    dimensions: {code: response.code | 0, from: 'source.labels["app"] | "unknown"'}
"""
PROMETHEUS = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: prom, namespace: default}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - {name: size, instanceName: size.instance.default, kind: COUNTER, labelNames: [code, from]}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: report, namespace: default}
spec: {actions: [{handler: prom, instances: [size]}]}
"""


def metric(value: str = '"1"') -> str:
    return METRIC.replace("VALUE", value)


def test_the_example_is_right(example: Path) -> None:
    telemetry = [(example / "config" / "telemetry.yaml").read_text()]
    play = [file.read_text() for file in sorted((example / "play").glob("*.yaml"))]
    configuration = configured(*telemetry, *play)
    assert problems(configuration) == []
    assert len(configuration.actions) == 7
    assert len(configuration.handlers) == 4
    assert len(configuration.instances) == 11


DENIERS, METRICS = "istio/config/v1alpha2/legacy/deniers", "istio/config/v1alpha2/legacy/metrics"
KNOWN = [
    ObjectKey(HANDLERS, "ns", "a"),
    ObjectKey(HANDLERS, "other", "a"),
    ObjectKey(DENIERS, "ns", "a"),
    ObjectKey(DENIERS, "other", "a"),
    ObjectKey(HANDLERS, "denier", "a"),
    ObjectKey(HANDLERS, "denier", "b"),
    ObjectKey(DENIERS, "ns", "only"),
]
# What a rule of namespace ns says, and the object that it means.
REFERENCES = [
    ("a", ObjectKey(HANDLERS, "ns", "a")),
    ("a.handler", ObjectKey(HANDLERS, "ns", "a")),
    ("a.other", ObjectKey(HANDLERS, "other", "a")),
    ("a.handler.other", ObjectKey(HANDLERS, "other", "a")),
    ("a.denier", ObjectKey(DENIERS, "ns", "a")),  # a kind before a namespace of that name
    ("a.denier.other", ObjectKey(DENIERS, "other", "a")),
    ("b.denier", ObjectKey(HANDLERS, "denier", "b")),
    ("only", None),  # without a kind it is a `handler`
    ("a.metric", None),
    ("a.instance.other", None),
    ("a.b.c.d", None),
    ("", None),
    ("a.", None),
    (".b", None),
]


@pytest.mark.parametrize(("text", "expected"), REFERENCES)
def test_references(text: str, expected: ObjectKey | None) -> None:
    assert resolve(by_full_name(KNOWN), "handler", text, "ns") == expected


NAMES = [
    (HANDLERS, "a.handler.ns", "a.ns"),
    (INSTANCES, "a.instance.ns", "a.ns"),
    (DENIERS, "a.denier.ns", "a.denier.ns"),
    (METRICS, "a.metric.ns", "a.metric.ns"),
]


@pytest.mark.parametrize(("collection", "full", "display"), NAMES)
def test_names(collection: str, full: str, display: str) -> None:
    key = ObjectKey(collection, "ns", "a")
    assert (full_name(key), display_name(key)) == (full, display)


# What is written instead of what, and what is told of it: object, its name, field, code.
WRONG = [
    ("destination.servic.name == 1", "deny", [("rule", "deny", "spec.match", "bad-match")]),
    ("context.protocol ==", "deny", [("rule", "deny", "spec.match", "bad-match")]),
    ("request.size", "deny", [("rule", "deny", "spec.match", "bad-match")]),  # not a BOOL
    ("response.duration == response.duration", "deny", [("rule", "deny", "spec.match", "bad-match")]),
]


@pytest.mark.parametrize(("match", "name", "expected"), WRONG)
def test_a_match_that_is_none(match: str, name: str, expected: list[Any]) -> None:
    configuration = configured(deny(match))
    assert problems(configuration) == expected
    assert configuration.actions == ()


CHANGES = [
    ("handler: closed", "handler: opened", [("rule", "deny", "spec.actions[0].handler", "no-handler")]),
    ("instances: [ask]", "instances: [aks]", [("rule", "deny", "spec.actions[0].instances[0]", "no-instance")]),
    ("instances: [ask]", "instances: [ask, ask]", [("rule", "deny", "spec.actions[0].instances[1]", "twice")]),
    (
        "compiledAdapter: denier",
        "compiledAdapter: deny",
        [("handler", "closed", "spec.compiledAdapter", "unknown-adapter"), ("rule", "deny", "spec.actions[0].handler", "no-handler")],
    ),
    (
        "compiledAdapter: denier",
        "adapter: remote",
        [("handler", "closed", "spec.adapter", "unknown-adapter"), ("rule", "deny", "spec.actions[0].handler", "no-handler")],
    ),
    (
        "compiledTemplate: checknothing",
        "compiledTemplate: quotas",
        [("instance", "ask", "spec.compiledTemplate", "unknown-template"), ("rule", "deny", "spec.actions[0].instances[0]", "no-instance")],
    ),
    (
        "compiledTemplate: checknothing",
        "compiledTemplate: metric",
        [("rule", "deny", "spec.actions[0].instances[0]", "wrong-template")],
    ),
    (
        "code: 7",
        "code: 0",
        [("handler", "closed", "spec.params.status.code", "bad-params"), ("rule", "deny", "spec.actions", "no-handler")],
    ),
    (
        "status:",
        "sttus:",
        [("handler", "closed", "spec.params", "bad-params"), ("rule", "deny", "spec.actions", "no-handler")],
    ),
    (
        "compiledTemplate: checknothing",
        "compiledTemplate: checknothing, params: {value: source.ip}",
        [("instance", "ask", "spec.params.value", "unknown-field"), ("rule", "deny", "spec.actions[0].instances[0]", "no-instance")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CHANGES)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, expected: list[Any]) -> None:
    assert old in DENY
    assert problems(configured(deny("").replace(old, new))) == expected


VALUES = [
    ("1", "spec.params.value", "not-an-expression"),  # a number in YAML: an expression is text
    ("'source.nam'", "spec.params.value", "bad-expression"),
    ("[1]", "spec.params.value", "not-an-expression"),
]


@pytest.mark.parametrize(("value", "field", "code"), VALUES)
def test_an_instance_whose_expressions_are_none(value: str, field: str, code: str) -> None:
    found = problems(configured(metric(value)))
    assert ("instance", "size", field, code) in found


def test_a_number_is_told_how_it_is_written() -> None:
    configuration = configured(metric("1.5"))
    ((problem,),) = configuration.problems.values()
    assert problem.text == 'an expression is text: write "1.5".'


def test_a_field_of_another_type() -> None:
    text = metric().replace("    dimensions", "    monitored_resource_type: request.size\n    dimensions")
    ((problem,),) = configured(text).problems.values()
    assert (problem.code, problem.field) == ("wrong-type", "spec.params.monitored_resource_type")
    assert problem.text == "'request.size' is INT64, and must be STRING."


def test_one_bad_object_does_not_harm_the_others() -> None:
    configuration = configured(metric(), PROMETHEUS, deny("nonsense ==").replace("closed", "other"))
    assert [action.rule.name for action in configuration.actions] == ["report"]
    assert list(configuration.handlers) == [ObjectKey(HANDLERS, "default", "prom")]


def test_rows_hold_fields_and_then_maps_in_the_order_of_their_names() -> None:
    (action,) = configured(metric(), PROMETHEUS).actions
    (instance,) = action.instances
    bag = {"response.code": 204, "source.labels": {"app": "x"}}
    assert instance.fields(bag) + instance.maps(bag) == (1, None, (204, "x"), ())
    assert instance.spec.names == {"dimensions": ("code", "from")}
    assert instance.fields({}) + instance.maps({}) == (1, None, (0, "unknown"), ())


def test_instances_with_the_same_dimensions_share_them() -> None:
    one, other = metric(), metric('"2"').replace("name: size", "name: more")
    objects = read_objects(one, other)
    configuration = build_configuration(objects, load_adapters(), "cluster.local")
    assert problems(configuration) == []
    from flotilla_mixer.configuration.instances import InstanceReader
    from flotilla_mixer.configuration.memory import Memory
    from flotilla_mixer.configuration.options import Options
    from flotilla_shared.model.expressions import VOCABULARY
    from flotilla_shared.model.problems import ProblemLog

    reader = InstanceReader(VOCABULARY, ProblemLog(), Options(), Memory())
    first, second = (reader.read(item) for item in objects[INSTANCES].values())
    assert first is not None
    assert second is not None
    assert first.maps is second.maps
    assert first.fields is not second.fields


MANIFEST = """\
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: own, namespace: istio-system}
spec: {attributes: {NAME: {valueType: TYPE}}}
"""


def test_a_manifest_adds_attributes() -> None:
    text = MANIFEST.replace("NAME", "mesh.secret").replace("TYPE", "STRING")
    assert problems(configured(text, deny('mesh.secret == "x"'))) == []


def test_a_manifest_cannot_change_an_attribute() -> None:
    text = MANIFEST.replace("NAME", "request.size").replace("TYPE", "STRING")
    found = problems(configured(text, deny("request.size == 1")))
    assert found == [("attributemanifest", "own", "spec.attributes[request.size].valueType", "attribute-conflict")]


def struct(**fields: Any) -> Struct:
    found = Struct()
    found.update(fields)
    return found


PARAMS = [
    (DenierParams(), {"valid_duration": "1m30s"}, "valid_duration", 90.0),
    (DenierParams(), {"validDuration": "1.5s"}, "valid_duration", 1.5),
    (PrometheusParams(), {"metricsExpirationPolicy": {"metricsExpiryDuration": "10m"}}, None, None),
    (DenierParams(valid_use_count=5), {}, "valid_use_count", 5),
    (DenierParams(valid_use_count=5), {"validUseCount": 7}, "valid_use_count", 7),
]


@pytest.mark.parametrize(("into", "given", "field", "expected"), PARAMS)
def test_parameters_are_read_into_their_message(
    into: Any, given: dict[str, Any], field: str | None, expected: Any
) -> None:
    found: Any = read_params(struct(**given), into)
    if field is None:
        assert found.metrics_expiration_policy.metrics_expiry_duration.seconds == 600
    else:
        value = getattr(found, field)
        assert (value.seconds + value.nanos / 1e9 if hasattr(value, "seconds") else value) == expected


BAD_PARAMS = [
    {"nobody": 1},
    {"validDuration": "soon"},
    {"validDuration": 5},
    {"status": {"code": "x"}},
    {"validUseCount": 1.5},
]


@pytest.mark.parametrize("given", BAD_PARAMS)
def test_parameters_that_do_not_fit(given: dict[str, Any]) -> None:
    with pytest.raises(ParamsError):
        read_params(struct(**given), DenierParams())


def test_versions_follow_content() -> None:
    one, same, other = configured(deny("")), configured(deny("")), configured(deny("true"))
    assert one.version == same.version != other.version


def test_equal_handlers_have_equal_signatures() -> None:
    def signature(text: str) -> str:
        (handler,) = configured(text).handlers.values()
        return handler.signature

    same = signature(deny('context.protocol == "tcp"'))
    assert signature(deny("")) == same, "the rule is not the handler's affair"
    assert signature(deny("").replace("closed today", "closed")) != same
    assert signature(deny("").replace("name: ask", "name: task").replace("[ask]", "[task]")) != same
