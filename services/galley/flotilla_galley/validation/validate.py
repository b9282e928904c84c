"""One object, from what is written to what may be distributed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from google.protobuf.message import Message

from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.validation import (
    annotation_rules,
    attribute_manifest,
    authentication_policy,
    authorization_policy,
    checks,
    destination_rule,
    envoy_filter,
    gateway,
    mesh_config,
    mixer_clients,
    mixer_handler,
    mixer_instance,
    mixer_models,
    mixer_rule,
    object_names,
    peer_authentication,
    proxy_config,
    rbac_config,
    request_authentication,
    service_entry,
    service_role,
    service_role_binding,
    sidecar,
    telemetry,
    traffic_extension,
    virtual_service,
    wasm_plugin,
    workload_entry,
    workload_group,
)
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.decode import Decoder
from flotilla_galley.validation.expressions import in_their_language
from flotilla_galley.validation.of_1_4.decode import DecoderOf14
from flotilla_galley.validation.of_1_4.rules import rules_of_1_4
from flotilla_shared.model import kinds
from flotilla_shared.model.kinds import Kind
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem, Severity, content_version

Rules = Callable[[Any, Report, str], None]
RuleSet = Literal["today", "1.4"]

RULES: Mapping[str, Rules] = {
    kinds.VIRTUAL_SERVICES: virtual_service.validate,
    kinds.DESTINATION_RULES: destination_rule.validate,
    kinds.GATEWAYS: gateway.validate,
    kinds.SERVICE_ENTRIES: service_entry.validate,
    kinds.WORKLOAD_ENTRIES: workload_entry.validate,
    kinds.SIDECARS: sidecar.validate,
    kinds.ENVOY_FILTERS: envoy_filter.validate,
    kinds.WORKLOAD_GROUPS: workload_group.validate,
    kinds.PROXY_CONFIGS: proxy_config.validate,
    kinds.PEER_AUTHENTICATIONS: peer_authentication.validate,
    kinds.REQUEST_AUTHENTICATIONS: request_authentication.validate,
    kinds.AUTHORIZATION_POLICIES: authorization_policy.validate,
    kinds.TELEMETRIES: telemetry.validate,
    kinds.WASM_PLUGINS: wasm_plugin.validate,
    kinds.TRAFFIC_EXTENSIONS: traffic_extension.validate,
    kinds.POLICIES: authentication_policy.validate,
    kinds.MESH_POLICIES: authentication_policy.validate,
    kinds.SERVICE_ROLES: service_role.validate,
    kinds.SERVICE_ROLE_BINDINGS: service_role_binding.validate,
    kinds.RBAC_CONFIGS: rbac_config.validate,
    kinds.CLUSTER_RBAC_CONFIGS: rbac_config.validate,
    kinds.RULES: mixer_rule.validate,
    kinds.HANDLERS: mixer_handler.validate,
    kinds.INSTANCES: mixer_instance.validate,
    kinds.ATTRIBUTE_MANIFESTS: attribute_manifest.validate,
    kinds.QUOTA_SPECS: mixer_clients.quota_spec,
    kinds.QUOTA_SPEC_BINDINGS: mixer_clients.quota_spec_binding,
    kinds.HTTP_API_SPECS: mixer_clients.http_api_spec,
    kinds.HTTP_API_SPEC_BINDINGS: mixer_clients.http_api_spec_binding,
    kinds.ADAPTERS: mixer_models.adapter,
    kinds.TEMPLATES: mixer_models.template,
    kinds.MESH_CONFIG: mesh_config.validate,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`item` is there exactly when no problem is an error."""

    item: ConfigObject | None
    problems: tuple[Problem, ...]


def validate_object(source: SourceObject, ruleset: RuleSet | None = None) -> Verdict:
    """Decode and check an object; every problem carries its file and line. Never raises.

    Without a rule set that of the kind's era decides: 1.4's for kinds that only 1.4 has, else today's.
    """
    spec = source.kind.message_class()()
    decoder = _decoder(source.kind, ruleset)
    decoder.message(spec, source.spec, "spec")
    problems = [*_came_later(source.kind, ruleset), *decoder.problems, *check_metadata(source)]
    if not any(problem.severity == "error" for problem in problems):
        found = check_spec(source.key.collection, spec, source.key.namespace, ruleset)
        problems += in_their_language(found, source.annotations)
        problems += check_annotations(source, spec) if ruleset != "1.4" else []
        problems += check_name(source.key, spec)
    return _verdict(source, spec, problems)


def decode_object(source: SourceObject) -> Verdict:
    """The object if its fields can be read, whatever its kind's rules say: what a server that asks nobody would hold.

    For cases that are compiled on purpose as they are; nothing that is distributed comes this way. Never raises.
    """
    spec = source.kind.message_class()()
    return _verdict(source, spec, decode(spec, source.spec))


def _verdict(source: SourceObject, spec: Message, problems: list[Problem]) -> Verdict:
    placed = tuple(replace(problem, file=source.file, line=source.line_of(problem.field)) for problem in problems)
    if any(problem.severity == "error" for problem in placed):
        return Verdict(None, placed)
    version = content_version(source.key, spec, source.labels, source.annotations, source.create_time_ns)
    item = ConfigObject(source.key, version, spec, dict(source.labels), dict(source.annotations), source.create_time_ns)
    return Verdict(item, placed)


def _decoder(kind: Kind, ruleset: RuleSet | None) -> Decoder:
    """What reads a kind's specs; a kind that 1.4 had not is read as today's.

    1.4 took any field in Pilot's kinds, and none that it did not know in Mixer's.
    """
    reader = DecoderOf14 if ruleset == "1.4" and _was_there(kind) else Decoder
    return reader("error" if kind.is_of_mixer else "warning")


def _was_there(kind: Kind) -> bool:
    return kind.era == "1.4" or rules_of_1_4(kind.collection) is not None


def _came_later(kind: Kind, ruleset: RuleSet | None) -> Iterator[Problem]:
    if ruleset == "1.4" and not _was_there(kind):
        text = f"Istio 1.4 has no kind {kind.kind}, which came later; it is judged by today's rules"
        yield Problem("unknown-kind", "kind", text, "warning")


def decode(spec: Message, written: Mapping[str, Any], unknown: Severity = "warning") -> list[Problem]:
    """Fill `spec` from plain data; gives what does not fit."""
    decoder = Decoder(unknown)
    decoder.message(spec, written, "spec")
    return decoder.problems


def check_spec(collection: str, spec: Message, namespace: str, ruleset: RuleSet | None = None) -> list[Problem]:
    """The rules of a collection's kind in a rule set. A kind that 1.4 had not has today's in both."""
    report = Report()
    rules = (rules_of_1_4(collection) if ruleset == "1.4" else None) or RULES.get(collection)
    if rules is not None:
        rules(spec, report, namespace)
    return report.problems


def check_metadata(source: SourceObject) -> list[Problem]:
    report = Report("metadata")
    report.at("name").wrong(_name(source.key.name))
    if source.key.namespace:
        report.check(checks.dns_label, "namespace", source.key.namespace)
    checks.labels(report.at("labels"), source.labels)
    return report.problems


def check_annotations(source: SourceObject, spec: Message) -> list[Problem]:
    report = Report("metadata")
    annotation_rules.validate(source.key.collection, spec, source.annotations, report.at("annotations"))
    return report.problems


def check_name(key: ObjectKey, spec: Message) -> list[Problem]:
    report = Report("metadata.name")
    object_names.validate(key, spec, report)
    return report.problems


def _name(name: str) -> str:
    """A DNS subdomain, as Kubernetes takes names."""
    return checks.fqdn(name) if not name.isdigit() else ""
