"""The definitions of custom resources: structural, complete, and true to the messages and to what people write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from flotilla_galley.offline.judge import judge
from flotilla_shared.model.kinds import WRITTEN, Kind, by_collection, kind_of
from flotilla_shared.testing.mutants import mutants
from flotilla_shared.testing.properties import examples
from helm.generate.crd_schema import message_schema
from helm.generate.crds import CHART, crd
from helm.generate.rules.table import RULES
from helm.generate.rules.terms import PORT, SPAN

ROOT = Path(__file__).parents[2]
# What Istio's schemas know and its published messages do not, yet.
DIFFERENT = {"validation/crd/reqauth-valid#00": "jwtRules[].presence is in no message"}


@cache
def definition(kind: Kind) -> dict[str, Any]:
    """As it is committed."""
    text = (ROOT / CHART / "templates" / f"{kind.plural}.{kind.group}.yaml").read_text()
    content: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # the safe one
    return content


def test_no_other_kind_is_defined() -> None:
    assert len(list((ROOT / CHART / "templates").iterdir())) == len(WRITTEN)


@cache
def spec_schema(kind: Kind) -> dict[str, Any]:
    schema: dict[str, Any] = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with where it is."""
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if part in schema:
            yield from nodes(schema[part], f"{path}[]")


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.kind)
class TestEveryKind:
    def test_what_is_served(self, kind: Kind) -> None:
        spec = definition(kind)["spec"]
        assert (spec["group"], spec["names"]["kind"], spec["names"]["plural"]) == (kind.group, kind.kind, kind.plural)
        assert spec["scope"] == ("Cluster" if kind.cluster_scoped else "Namespaced")
        versions = spec["versions"]
        assert [each["name"] for each in versions] == list(kind.versions)
        assert [each["storage"] for each in versions] == [True] + [False] * (len(versions) - 1)
        assert all(each["served"] and each["subresources"] == {"status": {}} for each in versions)

    def test_it_outlives_the_release(self, kind: Kind) -> None:
        assert definition(kind)["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"

    def test_the_schema_is_structural(self, kind: Kind) -> None:
        """The rules of apiextensions.k8s.io/v1, without which an API server marks or refuses it."""
        for version in definition(kind)["spec"]["versions"]:
            for path, node in nodes(version["schema"]["openAPIV3Schema"]):
                typed = "type" in node
                free = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
                assert typed or free, path
                assert not (typed and node.get("x-kubernetes-int-or-string")), path
                assert not ("properties" in node and "additionalProperties" in node), path
                assert node.get("type") != "array" or "items" in node, path
                assert "$ref" not in node, path

    def test_every_field_is_described(self, kind: Kind) -> None:
        descriptor = kind.message_class().DESCRIPTOR
        names = {field.json_name for field in descriptor.fields} if "google" not in descriptor.full_name else set()
        assert set(spec_schema(kind).get("properties", {})) == names


@pytest.mark.parametrize(
    ("collection", "path", "schema"),
    [
        ("virtualservices", ".http[].timeout", {"type": "string", **SPAN}),
        ("virtualservices", ".http[].redirect.port", {"type": "integer", **PORT}),
        ("virtualservices", ".http[].fault.abort.percentage.value", {"type": "number", "minimum": 0, "maximum": 100}),
        ("virtualservices", ".http[].match[].uri", "oneOf"),
        ("virtualservices", ".http[].redirect.redirectCode", "x-kubernetes-validations"),
        ("virtualservices", ".http[].corsPolicy.allowCredentials", {"type": "boolean", "nullable": True}),
        ("serviceentries", ".resolution", "enum"),
        (
            "envoyfilters",
            ".configPatches[].patch.value",
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        ),
        ("destinationrules", ".trafficPolicy.loadBalancer.simple", "enum"),
    ],
)
def test_fields_of_today(collection: str, path: str, schema: Any) -> None:
    kind = by_collection(f"istio/networking/v1alpha3/{collection}")
    assert kind is not None
    found = dict(nodes(spec_schema(kind)))[path]
    assert found[schema] if isinstance(schema, str) else found == schema


@pytest.mark.parametrize(
    ("collection", "path", "wanted"),
    [
        ("istio/policy/v1beta1/handlers", ".params", {"type": "object", "nullable": True}),
        ("istio/policy/v1beta1/rules", ".actions[].handler", {"type": "string", "nullable": True}),
        ("istio/authentication/v1alpha1/policies", ".peers[].mtls", {"type": "object", "nullable": True}),
        ("istio/authentication/v1alpha1/policies", ".principalBinding", {"x-kubernetes-int-or-string": True}),
        ("istio/mixer/v1/config/client/quotaspecs", ".rules[].quotas[].charge", {"x-kubernetes-int-or-string": True}),
    ],
)
def test_kinds_of_1_4_keep_what_is_not_described(collection: str, path: str, wanted: dict[str, Any]) -> None:
    kind = by_collection(collection)
    assert kind is not None
    found = dict(nodes(spec_schema(kind)))
    assert wanted.items() <= found[path].items()
    assert found[""]["x-kubernetes-preserve-unknown-fields"] is True


def test_a_message_that_contains_itself_ends() -> None:
    from google.protobuf.descriptor_pb2 import DescriptorProto

    found = message_schema(DescriptorProto.DESCRIPTOR)["properties"]["nestedType"]
    assert found["items"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


_KEPT = ("minimum", "maximum", "enum", "required", "pattern", "oneOf", "allOf", "not", "anyOf")
_BOUNDS = tuple(f"{least}{of}" for least in ("min", "max") for of in ("Length", "Items", "Properties"))


def strict(schema: dict[str, Any], kept: tuple[str, ...] = (*_KEPT, *_BOUNDS)) -> dict[str, Any]:
    """JSON schema of what an API server takes with strict field validation, as kubectl asks for; expressions left out.

    `kept` are the words that are looked at beside the form.
    """
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string", *(["null"] if schema.get("nullable") else [])]}
    made = {key: value for key, value in schema.items() if key in kept}
    if schema.get("exclusiveMinimum") and "minimum" in made:
        made["exclusiveMinimum"] = made.pop("minimum")
    if "type" in schema:
        made["type"] = [schema["type"], "null"] if schema.get("nullable") else schema["type"]
    if "properties" in schema:
        made["properties"] = {name: strict(each, kept) for name, each in schema["properties"].items()}
    if "additionalProperties" in schema:
        made["additionalProperties"] = strict(schema["additionalProperties"], kept)
    elif schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    if "items" in schema:
        made["items"] = strict(schema["items"], kept)
    return made


def objects(text: str) -> Iterator[dict[str, Any]]:
    for document in yaml.safe_load_all(text):
        if isinstance(document, dict) and kind_of(document.get("apiVersion", ""), document.get("kind", "")):
            yield document


def taken(written: dict[str, Any]) -> str:
    """Why an API server would not take an object; empty where it would."""
    kind = kind_of(written["apiVersion"], written["kind"])
    assert kind is not None
    return "; ".join(error.message for error in validator(kind).iter_errors(written.get("spec", {})))


@cache
def validator(kind: Kind, *, form_alone: bool = False) -> jsonschema.Draft202012Validator:
    schema = spec_schema(kind)
    return jsonschema.Draft202012Validator(strict(schema, ("enum",)) if form_alone else strict(schema))


@pytest.mark.parametrize(
    "file", sorted((ROOT / "examples" / "bookinfo").rglob("*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_what_the_example_says_is_taken(file: Path) -> None:
    if "{{" in (text := file.read_text()):
        pytest.skip("a template of a chart")
    for written in objects(text):
        assert taken(written) == "", written["metadata"]["name"]


def vectors(table: str) -> list[dict[str, Any]]:
    folder = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    lines = (folder / "today" / "validation" / f"{table}.jsonl").read_text().splitlines()
    return [case for case in map(json.loads, lines) if case["valid"]]


def test_what_istio_takes_is_taken() -> None:
    cases = vectors("crd")
    refused = {case["id"]: text for case in cases if (text := taken(case["object"]))}
    print(f"crd.jsonl: {len(cases)} ran, {len(DIFFERENT)} are different")
    assert len(cases) > 20
    assert set(refused) == set(DIFFERENT)


def test_whole_objects_that_are_valid_are_taken() -> None:
    kinds = {kind.kind: kind for kind in WRITTEN if kind.era == "today"}
    refused = {}
    for case in vectors("kinds"):
        written = {"apiVersion": kinds[case["kind"]].api_versions[0], "kind": case["kind"], "spec": case["spec"]}
        if text := taken(written):
            refused[case["id"]] = text
    assert refused == {}


@cache
def right_objects() -> list[dict[str, Any]]:
    kinds = {kind.kind: kind.api_versions[0] for kind in WRITTEN if kind.era == "today"}
    head = {"metadata": {"name": "case"}}
    found = [(case["kind"], case["spec"]) for case in vectors("kinds") if isinstance(case["spec"], dict)]
    return [{"apiVersion": kinds[kind], "kind": kind, **head, "spec": spec} for kind, spec in found]


@settings(max_examples=examples(150), deadline=None)
@given(mutants(right_objects))
def test_rules_never_refuse_what_galley_takes(written: dict[str, Any]) -> None:
    """Whatever is changed in a right object, as long as it has the form; expressions are left to a true API server."""
    kind = kind_of(written["apiVersion"], written["kind"])
    (judged,) = judge("case", json.dumps(written))
    assert kind is not None
    if judged.valid and validator(kind, form_alone=True).is_valid(written["spec"]):
        assert taken(written) == ""


def test_every_rule_is_of_a_field_that_there_is() -> None:
    from google.protobuf.descriptor_pool import Default

    for kind in WRITTEN:
        kind.message_class()
    for message, fields in RULES.items():
        names = {field.json_name for field in Default().FindMessageTypeByName(message).fields}
        assert set(fields) - {""} <= names, message


def test_every_expression_has_a_sentence() -> None:
    for kind in WRITTEN:
        for path, node in nodes(spec_schema(kind)):
            for each in node.get("x-kubernetes-validations", ()):
                assert each["rule"], path
                assert " " in each["message"], path


def test_a_mistake_is_not_taken() -> None:
    route = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"}}
    assert "hots" in taken({**route, "spec": {"hots": ["a"]}})
    assert "is not of type 'array'" in taken({**route, "spec": {"hosts": "a"}})
    both = {"hosts": ["a"], "http": [{"match": [{"uri": {"exact": "/", "prefix": "/"}}]}]}
    assert "is valid under each of" in taken({**route, "spec": both})
    entry = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "a"}}
    assert "is not one of" in taken({**entry, "spec": {"resolution": "SOMEHOW"}})
    assert "'hosts' is a required property" in taken({**entry, "spec": {}})
