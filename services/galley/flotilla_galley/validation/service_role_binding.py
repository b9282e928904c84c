"""ServiceRoleBinding: who has a role (rules SB1 and SB2 of Istio 1.4's validation)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.service_role import access_rules
from flotilla_protos.istio.rbac.v1alpha1.rbac_pb2 import ServiceRoleBinding, Subject

ROLE = "ServiceRole"
# A property -> the field that says the same.
SAME = {
    "source.principal": "names",
    "request.auth.claims[groups]": "groups",
    "source.namespace": "namespaces",
    "source.ip": "ips",
}


def validate(spec: ServiceRoleBinding, report: Report, namespace: str) -> None:
    if not spec.subjects:
        report.at("subjects").wrong("there is none; say who has the role")
    for where, subject in report.each("subjects", spec.subjects):
        _subject(subject, where)
    given = [
        field
        for field, is_there in (
            ("roleRef", spec.HasField("roleRef")),
            ("role", bool(spec.role)),
            ("actions", bool(spec.actions)),
        )
        if is_there
    ]
    if len(given) != 1:
        found = f"{' and '.join(given)} exclude each other" if given else "it gives no role"
        report.wrong(f"{found}; write one of roleRef, role and actions", "conflict" if given else "invalid")
    _role(spec, report)


def _subject(subject: Subject, report: Report) -> None:
    """SB1"""
    if not subject.ListFields():
        report.wrong("it is empty; name users, groups, namespaces, ips or properties")
    for name in sorted(subject.properties):
        field = SAME.get(name)
        if field is not None and getattr(subject, field):
            report.at("properties", name).wrong(f"{field} says it already; keep one of them", "conflict")
    for field, names in (("names", subject.names), ("notNames", subject.not_names)):
        for where, text in report.each(field, names):
            where.wrong("a star is no name; leave names out to take everybody" if text == "*" else "")


def _role(spec: ServiceRoleBinding, report: Report) -> None:
    """SB2"""
    if spec.HasField("roleRef"):
        where = report.at("roleRef")
        if spec.roleRef.kind != ROLE:
            where.at("kind").wrong(f"{spec.roleRef.kind!r} cannot be bound; it must be {ROLE!r}")
        if not spec.roleRef.name:
            where.at("name").wrong("it is missing; name a ServiceRole")
    if spec.role == "/":
        report.at("role").wrong("it names no ServiceRole after the slash")
    if spec.actions:
        access_rules(spec.actions, "actions", report)
