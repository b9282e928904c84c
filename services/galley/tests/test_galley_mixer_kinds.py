"""Validation of Mixer's kinds: what is refused, at which field, and with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.sources.documents import read_objects
from flotilla_galley.validation.mixer_instance import TEMPLATES
from flotilla_galley.validation.validate import validate_object

RULE = {
    "match": 'context.protocol == "tcp"',
    "actions": [{"handler": "denyall", "instances": ["ask"]}],
}
HANDLER = {"compiledAdapter": "denier", "params": {"status": {"code": 7}}}
INSTANCE = {
    "compiledTemplate": "metric",
    "params": {"value": "1", "dimensions": {"app": 'source.labels["app"] | "unknown"'}},
}
MANIFEST = {"attributes": {"mesh.secret": {"valueType": "STRING"}}}
QUOTA_SPEC = {
    "rules": [{"match": [{"clause": {"request.path": {"prefix": "/a"}}}], "quotas": [{"quota": "calls", "charge": 1}]}]
}
BINDING = {"services": [{"name": "ratings", "namespace": "default"}], "quotaSpecs": [{"name": "calls"}]}
API_SPEC = {"patterns": [{"httpMethod": "GET", "uriTemplate": "/pet/{id}"}], "apiKeys": [{"query": "key"}]}
API_BINDING = {"services": [{"service": "*.example.com"}], "apiSpecs": [{"name": "pets"}]}
VALID = {
    "rule": RULE,
    "handler": HANDLER,
    "instance": INSTANCE,
    "attributemanifest": MANIFEST,
    "QuotaSpec": QUOTA_SPEC,
    "QuotaSpecBinding": BINDING,
    "HTTPAPISpec": API_SPEC,
    "HTTPAPISpecBinding": API_BINDING,
}


def judge(kind: str, spec: Any) -> list[tuple[str, str, str]]:
    """(severity, field, text) of every problem, as of an object in a file."""
    document = {
        "apiVersion": "config.istio.io/v1alpha2",
        "kind": kind,
        "metadata": {"name": "one", "namespace": "default"},
        "spec": spec,
    }
    (source,), problems = read_objects("one.yaml", yaml.safe_dump(document))
    assert problems == []
    return [(each.severity, each.field, each.text) for each in validate_object(source).problems]


@pytest.mark.parametrize("kind", sorted(VALID))
def test_what_is_right_passes(kind: str) -> None:
    assert judge(kind, VALID[kind]) == []


# kind, what is written over the valid spec, the field that is named, words of the sentence
WRONG = [
    ("rule", {"match": "context.protocol =="}, "spec.match", "is no expression: expected an attribute"),
    ("rule", {"match": "a = b"}, "spec.match", "expected ==, found ="),
    ("rule", {"actions": []}, "spec.actions", "a rule needs an action"),
    ("rule", {"actions": [{"instances": ["ask"]}]}, "spec.actions[0].handler", "it is missing; name a handler"),
    ("rule", {"actions": [{"handler": "a"}]}, "spec.actions[0].instances", "there is none"),
    ("rule", {"actions": [{"handler": "a", "instances": ["b", "b"]}]}, "spec.actions[0].instances[1]", "named twice"),
    ("rule", {"actions": [{"handler": "a", "instances": [""]}]}, "spec.actions[0].instances[0]", "name is empty"),
    ("rule", {"requestHeaderOperations": [{"name": "x y", "values": ["'a'"]}]}, "spec.requestHeaderOperations[0].name", "is no header name"),
    ("rule", {"requestHeaderOperations": [{"name": "x"}]}, "spec.requestHeaderOperations[0].values", "there is none"),
    ("rule", {"responseHeaderOperations": [{"name": "x", "values": ["="]}]}, "spec.responseHeaderOperations[0].values[0]", "is no expression"),
    ("rule", {"actoins": []}, "spec.actoins", "did you mean actions"),
    ("handler", {"compiledAdapter": ""}, "spec.compiledAdapter", "it is missing; name an adapter"),
    ("handler", {"compiledAdapter": "", "adapter": "own"}, "spec.connection.address", "it is missing"),
    ("handler", {"params": "text"}, "spec.params", "mapping"),
    ("instance", {"compiledTemplate": ""}, "spec.compiledTemplate", "it is missing; name a template"),
    ("instance", {"template": "metric"}, "spec.template", "not both"),
    ("instance", {"params": {"value": 1}}, "spec.params.value", 'an expression is text: write "1"'),
    ("instance", {"params": {"value": True}}, "spec.params.value", 'an expression is text: write "true"'),
    ("instance", {"params": {"value": []}}, "spec.params.value", "an expression must stand here"),
    ("instance", {"params": {"value": "1 +"}}, "spec.params.value", "is no expression"),
    ("instance", {"params": {"dimensions": "source.name"}}, "spec.params.dimensions", "a mapping of names"),
    ("instance", {"params": {"dimensions": {"a": "b.c("}}}, "spec.params.dimensions.a", "is no expression"),
    ("instance", {"params": {"valeu": "1"}}, "spec.params.valeu", "the template metric has no such field"),
    ("instance", {"attributeBindings": {"source.name": "$out.a |"}}, "spec.attributeBindings.source.name", "is no expression"),
    ("attributemanifest", {"attributes": {"a": {}}}, "spec.attributes.a.valueType", "it is missing; there are STRING"),
    ("attributemanifest", {"attributes": {"a b": {"valueType": "STRING"}}}, "spec.attributes.a b", "is no name of an attribute"),
    ("attributemanifest", {"attributes": {"a": {"valueType": "TEXT"}}}, "spec.attributes.a.valueType", "TEXT"),
    ("QuotaSpec", {"rules": []}, "spec.rules", "needs a rule"),
    ("QuotaSpec", {"rules": [{"quotas": []}]}, "spec.rules[0].quotas", "needs a quota"),
    ("QuotaSpec", {"rules": [{"quotas": [{"quota": "", "charge": 1}]}]}, "spec.rules[0].quotas[0].quota", "it is missing"),
    ("QuotaSpec", {"rules": [{"quotas": [{"quota": "q", "charge": 0}]}]}, "spec.rules[0].quotas[0].charge", "at least 1"),
    ("QuotaSpecBinding", {"services": []}, "spec.services", "there is none"),
    ("QuotaSpecBinding", {"quotaSpecs": []}, "spec.quotaSpecs", "there is none"),
    ("QuotaSpecBinding", {"services": [{}]}, "spec.services[0]", "say either name or service"),
    ("QuotaSpecBinding", {"services": [{"service": "a.b", "domain": "c.d"}]}, "spec.services[0]", "neither namespace nor domain"),
    ("QuotaSpecBinding", {"services": [{"name": "a_b"}]}, "spec.services[0].name", "is no name"),
    ("QuotaSpecBinding", {"quotaSpecs": [{"namespace": "x"}]}, "spec.quotaSpecs[0].name", "it is missing"),
    ("HTTPAPISpec", {"patterns": []}, "spec.patterns", "needs a pattern"),
    ("HTTPAPISpec", {"patterns": [{"uriTemplate": "/"}]}, "spec.patterns[0].httpMethod", "it is missing"),
    ("HTTPAPISpec", {"patterns": [{"httpMethod": "GET", "regex": ""}]}, "spec.patterns[0].regex", "it is empty"),
    ("HTTPAPISpec", {"apiKeys": [{"header": ""}]}, "spec.apiKeys[0].header", "it is empty"),
    ("HTTPAPISpecBinding", {"apiSpecs": []}, "spec.apiSpecs", "there is none"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "field", "words"), WRONG)
def test_what_is_wrong_is_named_with_its_field(kind: str, change: dict[str, Any], field: str, words: str) -> None:
    errors = [(where, text) for severity, where, text in judge(kind, VALID[kind] | change) if severity == "error"]
    assert [where for where, _ in errors] == [field], errors
    assert words in errors[0][1]


WARNED = [
    ("handler", {"adapter": "own"}, "spec.adapter"),
    ("handler", {"connection": {"address": "a:1"}}, "spec.connection"),
    ("QuotaSpec", {"rules": [{"match": [{"clause": {"a": {}}}], "quotas": [{"quota": "q", "charge": 1}]}]}, "spec.rules[0].match[0].clause.a"),
    ("HTTPAPISpec", {"patterns": [{"httpMethod": "GET"}]}, "spec.patterns[0]"),
    ("HTTPAPISpec", {"apiKeys": [{}]}, "spec.apiKeys[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "field"), WARNED)
def test_what_has_no_effect_is_warned_of(kind: str, change: dict[str, Any], field: str) -> None:
    assert [(severity, where) for severity, where, _ in judge(kind, VALID[kind] | change)] == [("warning", field)]


@pytest.mark.parametrize("spelling", ["monitored_resource_type", "monitoredResourceType"])
def test_both_spellings_of_a_field(spelling: str) -> None:
    assert judge("instance", INSTANCE | {"params": {"value": "1", spelling: '"UNSPECIFIED"'}}) == []


def test_an_empty_expression_is_one_that_is_not_set() -> None:
    assert judge("instance", INSTANCE | {"params": {"value": ""}}) == []
    assert judge("rule", RULE | {"match": ""}) == []


def test_templates_that_are_not_known_are_mixers_affair() -> None:
    assert judge("instance", {"compiledTemplate": "own", "params": {"anything": 1}}) == []


def test_the_example_and_what_one_plays_with() -> None:
    local = Path(__file__).parents[3] / "examples" / "bookinfo" / "local"
    for file in (local / "config" / "telemetry.yaml", *sorted((local / "play").glob("*.yaml"))):
        sources, problems = read_objects(file.name, file.read_text())
        assert problems == []
        for source in sources:
            assert validate_object(source).problems == (), source.key


CEL = {"match": "source.name in ['a', 'b'] ? true : false"}


@pytest.mark.parametrize(("language", "right"), [("CEL", True), ("COMPAT", True), ("CEXL", False), (None, False)])
def test_expressions_in_another_language_are_mixers_to_judge(language: str | None, right: bool) -> None:
    annotations = {} if language is None else {"policy.istio.io/lang": language}
    meta = {"name": "a", "namespace": "default", "annotations": annotations}
    document = {"apiVersion": "config.istio.io/v1alpha2", "kind": "rule", "metadata": meta, "spec": RULE | CEL}
    (source,), _ = read_objects("a.yaml", yaml.safe_dump(document))
    assert (validate_object(source).problems == ()) is right
    document["spec"] = RULE | CEL | {"actions": [{"instances": ["ask"]}]}  # whatever its language, the rest is judged
    (source,), _ = read_objects("a.yaml", yaml.safe_dump(document))
    assert "spec.actions[0].handler" in {each.field for each in validate_object(source).problems}


SAMPLES = ["rule", "handler", "instance", "attributemanifest", "QuotaSpec", "HTTPAPISpec", "HTTPAPISpecBinding"]


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_samples_of_1_4(vectors: Path, kind: str) -> None:
    """A file that 1.4 calls invalid holds an object that is; in valid ones every object is."""
    for outcome in ("valid", "invalid"):
        file = vectors / "1.4" / "files" / "validation" / f"config-v1alpha2-{kind}-{outcome}.yaml"
        if file.exists():
            sources, problems = read_objects(file.name, file.read_text())
            errors = [each for each in problems if each.severity == "error"]
            errors += [
                each for source in sources for each in validate_object(source).problems if each.severity == "error"
            ]
            assert bool(errors) is (outcome == "invalid"), (file.name, errors)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(VALID)), st.data())
def test_no_content_of_a_field_makes_it_raise(kind: str, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(VALID[kind])))
    judge(kind, VALID[kind] | {field: data.draw(json_values)})


@given(st.sampled_from(sorted(TEMPLATES)), st.dictionaries(st.text(max_size=6), json_values, max_size=3))
def test_no_parameters_of_an_instance_make_it_raise(template: str, params: dict[str, Any]) -> None:
    judge("instance", {"compiledTemplate": template, "params": params})
