"""Kinds that Istio 1.4 alone has: policies, roles, adapters and templates, by whatever rule set."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from flotilla_galley.offline.judge import judge
from flotilla_galley.validation.of_1_4.mixer_legacy import ADAPTERS, TEMPLATES
from flotilla_galley.validation.validate import RuleSet
from flotilla_shared.model.kinds import WRITTEN

KINDS = {kind.kind: kind for kind in WRITTEN if kind.era == "1.4"}
NAME, SPEC = "metadata.name", "spec"
ROLE = "roleRef: {kind: ServiceRole, name: r}"

# Kind and name, spec, fields with an error.
CASES: list[tuple[str, str, list[str]]] = [
    ("Policy default", "{}", []),
    ("Policy default", "{peers: [{mtls: {}}]}", []),
    ("Policy default", "{targets: [{name: a}]}", [NAME]),
    ("Policy a", "{}", [NAME]),
    ("Policy a", "{targets: [{name: a, ports: [{number: 80}, {name: http}]}]}", []),
    ("Policy a", "{targets: [{name: a.b, ports: [{number: 70000}, {name: '*'}, {}]}]}", [
        "spec.targets[0].name", "spec.targets[0].ports[0].number", "spec.targets[0].ports[1].name", "spec.targets[0].ports[2]"]),
    ("Policy default", "{peers: [{jwt: {issuer: a}}], origins: [{jwt: {issuer: a}}]}", ["spec.origins[0].jwt.issuer"]),
    ("Policy default", "{peers: [{jwt: {}}], origins: [{}]}", ["spec.peers[0].jwt.issuer", "spec.origins[0].jwt"]),
    ("Policy default", "{origins: [{jwt: {issuer: a, audiences: [''], jwtHeaders: [''], jwtParams: [''], jwksUri: 'ftp://a'}}]}", [
        f"spec.origins[0].jwt.{field}" for field in ("audiences[0]", "jwtHeaders[0]", "jwtParams[0]", "jwksUri")]),
    ("MeshPolicy default", "{}", []),
    ("MeshPolicy a", "{}", [NAME]),
    ("MeshPolicy default", "{targets: [{name: a}]}", [NAME]),
    ("RbacConfig default", "{mode: ON_WITH_INCLUSION, inclusion: {}}", []),
    ("RbacConfig a", "{mode: 'ON'}", [NAME]),
    ("ClusterRbacConfig default", "{mode: ON_WITH_EXCLUSION}", ["spec.exclusion"]),
    ("ServiceRole a", "{rules: [{services: ['*'], methods: [GET]}]}", []),
    ("ServiceRole a", "{}", ["spec.rules"]),
    ("ServiceRole a", "{rules: [{methods: [GET], notMethods: [PUT], ports: [0], notPorts: [1]}]}", [
        "spec.rules[0].notMethods", "spec.rules[0].notPorts", "spec.rules[0].ports[0]"]),
    ("ServiceRole a", "{rules: [{ports: [1], constraints: [{}, {key: destination.port, values: ['1']}]}]}", [
        "spec.rules[0].constraints[0].key", "spec.rules[0].constraints[0].values", "spec.rules[0].constraints[1].key"]),
    ("ServiceRoleBinding a", "{subjects: [{user: u}], %s}" % ROLE, []),
    ("ServiceRoleBinding a", "{subjects: [{names: [u]}], role: r}", []),
    ("ServiceRoleBinding a", "{subjects: [{names: [u]}], actions: [{methods: [GET]}]}", []),
    ("ServiceRoleBinding a", "{%s}" % ROLE, ["spec.subjects"]),
    ("ServiceRoleBinding a", "{subjects: [{}], role: /}", ["spec.subjects[0]", "spec.role"]),
    ("ServiceRoleBinding a", "{subjects: [{user: u}]}", [SPEC]),
    ("ServiceRoleBinding a", "{subjects: [{user: u}], role: r, %s}" % ROLE, [SPEC]),
    ("ServiceRoleBinding a", "{subjects: [{user: u}], roleRef: {}}", ["spec.roleRef.kind", "spec.roleRef.name"]),
    ("ServiceRoleBinding a", "{subjects: [{names: ['*'], notNames: ['*'], properties: {source.principal: p}}], %s}" % ROLE, [
        "spec.subjects[0].properties.source.principal", "spec.subjects[0].names[0]", "spec.subjects[0].notNames[0]"]),
    ("ServiceRoleBinding a", "{subjects: [{user: u}], actions: [{ports: [0]}]}", ["spec.actions[0].ports[0]"]),
    ("adapter a", "{description: d, session_based: false, templates: [t], config: abcd}", []),
    ("adapter a", "{description: 0, templates: t, other: 1}", ["spec.description", "spec.other", "spec.templates"]),
    ("template a", "{descriptor: abcd}", []),
    ("template a", "{prescriptor: 0}", ["spec.prescriptor"]),
]  # fmt: skip
# Judged by the rule set of 1.4 alone.
LEGACY: list[tuple[str, str, list[str]]] = [
    ("metric a", "{value: '1', dimensions: {a: source.name |}}", ["spec.dimensions.a"]),
    ("metric a", "{value: 1, dimensions: {a: source.name}, wrong: a}", ["spec.value", "spec.wrong"]),
    ("authorization a", "{subject: {user: 'a +', properties: {b: '(' }}, action: {path: request.path}}", [
        "spec.subject.user", "spec.subject.properties.b"]),
    ("kubernetes a", "{source_uid: source.uid, attribute_bindings: {source.ip: $out.source_pod_ip, a: $in.b}}", ["spec.attributeBindings.a"]),
    ("denier a", "{status: {code: 7, message: Not allowed}}", []),
    ("denier a", "{status: {code: no}, wrong: 1}", ["spec.status.code", "spec.wrong"]),
    ("memquota a", "{quotas: [{name: q, maxAmount: 5, validDuration: 1s}]}", []),
    ("stdio a", "{severity_levels: {warning: 1}, outputAsJson: true}", []),
    ("signalfx a", "{whatever: [1, {a: b}]}", []),
]  # fmt: skip


def judged(kind: str, name: str, spec: Any, ruleset: RuleSet | None) -> list[str]:
    written = {"apiVersion": KINDS[kind].api_versions[0], "kind": kind, "metadata": {"name": name}, "spec": spec}
    (found,) = judge("case", yaml.safe_dump(written), ruleset)
    assert all(error.message for error in found.errors)
    return [error.field for error in found.errors]


@pytest.mark.parametrize("ruleset", [None, "1.4"])
@pytest.mark.parametrize(("what", "spec", "fields"), CASES)
def test_what_is_wrong_is_named_with_its_field(
    what: str, spec: str, fields: list[str], ruleset: RuleSet | None
) -> None:
    kind, name = what.split()
    assert judged(kind, name, yaml.safe_load(spec), ruleset) == fields


@pytest.mark.parametrize(("what", "spec", "fields"), LEGACY)
def test_kinds_of_one_template_or_adapter(what: str, spec: str, fields: list[str]) -> None:
    kind, name = what.split()
    assert judged(kind, name, yaml.safe_load(spec), "1.4") == fields
    assert judged(kind, name, yaml.safe_load(spec), None) == []


@pytest.mark.parametrize("kind", [*TEMPLATES, *ADAPTERS])
def test_every_template_and_adapter_takes_nothing_and_no_field_that_it_has_not(kind: str) -> None:
    assert judged(kind, "a", None, "1.4") == []
    assert judged(kind, "a", {"noSuchField": 1}, "1.4") == ["spec.noSuchField"]


def test_1_4_alone_asks_an_http_api_spec_for_attributes() -> None:
    spec = {
        "patterns": [
            {"httpMethod": "GET", "uriTemplate": "/", "attributes": {"attributes": {"a": {"stringValue": ""}}}}
        ]
    }
    assert judged("HTTPAPISpec", "a", spec, None) == ["spec.patterns[0].attributes.attributes.a"]
    assert judged("HTTPAPISpec", "a", spec, "1.4") == ["spec.attributes"]


def test_1_4_alone_passes_over_what_is_empty() -> None:
    empty = {"a": None}
    pattern = {"httpMethod": "GET", "uriTemplate": "/", "attributes": {"attributes": empty}}
    own = {"patterns": [pattern], "attributes": {"attributes": {"b": {"stringValue": "c"}}}}
    assert judged("HTTPAPISpec", "a", own, None) == ["spec.patterns[0].attributes.attributes.a"]
    assert judged("HTTPAPISpec", "a", own, "1.4") == []
    assert judged("HTTPAPISpec", "a", own | {"attributes": {"attributes": empty}}, "1.4") == [
        "spec.attributes.attributes.a"
    ]
    policy = {"targets": [{"name": "a", "ports": [None]}], "peers": [None]}
    assert judged("Policy", "a", policy, None) == ["spec.peers[0]", "spec.targets[0].ports[0]"]
    assert judged("Policy", "a", policy, "1.4") == []
    assert judged("Policy", "a", {"targets": [None]}, "1.4") == ["spec.targets[0]"]
