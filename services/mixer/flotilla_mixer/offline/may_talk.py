"""Whether two workloads may talk, by the policies of a mesh: without a call, and without a Mixer that runs.

Nobody knows of such a question more than what is asked: it is a call with the caller's own certificate, from its own
address, and what is not said is not there. Rules of Mixer are not looked at; policies are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.attributes.workloads import Workload
from flotilla_mixer.authorization.call import SPIFFE, AskedCall
from flotilla_mixer.authorization.engine import Decisive, Verdict, kind_of
from flotilla_shared.model.hosts import resolve_short_name

NOBODY = "-"


class BadQuestion(ValueError):
    """It names what is not there, or is no question; the text says what would be one."""


@dataclass(frozen=True, slots=True)
class Question:
    """`source` is a workload (`name` or `name.namespace`) or a service of such, a principal, or `-` for a caller
    without a certificate; `destination` a workload or a service, with `:port` where it matters. `tcp`: the call is no
    HTTP. `claims` are those of the caller's token. `roles`: 1.4's roles are asked, not AuthorizationPolicies.
    """

    source: str
    destination: str
    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    sni: str = ""
    remote_ip: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    tcp: bool = False
    roles: bool = False


def may_talk(view: MeshView, question: Question, domain: str = "cluster.local") -> dict[str, Any]:
    """The verdict for each workload that the destination means: `allowed` (all of them), `source`, `destinations`.

    Raises BadQuestion.
    """
    principal, source = _caller(view, question.source, domain)
    name, port = _split(question.destination)
    host, found = _called(view, name, source.namespace if source is not None else "default", domain)
    answers = [
        _answer(view, _call(question, principal, source, each, host, port), each, question.roles) for each in found
    ]
    return {
        "allowed": all(each["allowed"] for each in answers),
        "source": {"principal": principal.removeprefix(SPIFFE), "address": _address(source)},
        "destinations": answers,
    }


def _caller(view: MeshView, name: str, domain: str) -> tuple[str, Workload | None]:
    if name == NOBODY:
        return "", None
    if "/ns/" in name:
        return SPIFFE + name.removeprefix(SPIFFE), None
    found = list(_named(view, name)) or _called_by(view, name, "default", domain)[1]
    if len({(each.namespace, each.principal) for each in found}) > 1:
        several = ", ".join(sorted(f"{each.name}.{each.namespace}" for each in found)[:5])
        raise BadQuestion(f"{name!r} may be {several}; name one of them")
    if not found:
        raise BadQuestion(f"there is no workload {name!r}; name one, a principal such as {_example(view)}, or -")
    return SPIFFE + found[0].principal, found[0]


def _example(view: MeshView) -> str:
    return next((each.principal for each in view.workloads()), "cluster.local/ns/default/sa/web")


def _named(view: MeshView, name: str) -> Iterator[Workload]:
    """Workloads by their own name or that of what they belong to (a Deployment), with or without namespace."""
    for each in sorted(view.workloads(), key=lambda found: (found.namespace, found.name)):
        names = {each.name, each.facts.workload}
        if name in names or name in {f"{one}.{each.namespace}" for one in names}:
            yield each


def _called(view: MeshView, name: str, namespace: str, domain: str) -> tuple[str, list[Workload]]:
    """The host and the workloads that a name means: a service's, or else one workload."""
    host, found = _called_by(view, name, namespace, domain)
    found = found or list(_named(view, name))
    if not found:
        raise BadQuestion(f"there is no service and no workload {name!r}")
    return host, found


def _called_by(view: MeshView, name: str, namespace: str, domain: str) -> tuple[str, list[Workload]]:
    """The host of a service by its name, and its workloads; nothing where there is none."""
    for host in _hosts(name, namespace, domain):
        found = [each for each in view.workloads() if view.served(host, each) is not None]
        if found:
            return host, sorted(found, key=lambda each: (each.namespace, each.name))
    return "", []


def _hosts(name: str, namespace: str, domain: str) -> Iterable[str]:
    yield name.lower()
    yield resolve_short_name(name.lower(), namespace, domain)
    if name.count(".") == 1:
        yield f"{name.lower()}.svc.{domain}"


def _split(destination: str) -> tuple[str, int]:
    name, colon, port = destination.rpartition(":")
    if not colon:
        return destination, 0
    if not port.isdigit() or int(port) > 65535:
        raise BadQuestion(f"{destination!r}: {port!r} is no port; write it as ratings:9080")
    return name, int(port)


def _address(workload: Workload | None) -> str:
    return workload.addresses[0] if workload is not None and workload.addresses else ""


def _packed(text: str) -> bytes:
    try:
        return ipaddress.ip_address(text).packed if text else b""
    except ValueError:
        raise BadQuestion(f"{text!r} is no address") from None


def _call(
    question: Question, principal: str, source: Workload | None, called: Workload, host: str, port: int
) -> AskedCall:
    http = not question.tcp
    return AskedCall(
        called.namespace,
        called.labels,
        service=host,
        principal=principal,
        source_ip=_packed(_address(source)),
        remote_ip=_packed(question.remote_ip),
        destination_ip=_packed(_address(called)),
        destination_port=port,
        sni=question.sni,
        host=(question.host or host) if http else None,
        method=question.method if http else None,
        path=question.path if http else None,
        headers={name.lower(): value for name, value in question.headers.items()} if http else {},
        claims=question.claims if http else {},
        facts={"destination.name": called.name, "destination.namespace": called.namespace},
    )


def _answer(view: MeshView, call: AskedCall, called: Workload, roles: bool) -> dict[str, Any]:
    verdict = (view.roles if roles else view.policies).decide(call)
    answer: dict[str, Any] = {
        "workload": f"{called.name}.{called.namespace}",
        "allowed": verdict.allowed,
        "text": verdict.text,
        **_rule(verdict.by),
        "audits": [_rule(each) for each in verdict.audits],
        "dryRun": _tried(verdict.dry_run),
    }
    if not roles:
        held = view.policies.of(call.namespace, call.labels).policies
        answer["policies"] = [each.key.full_name for each in held]
    return answer


def _rule(by: Decisive | None) -> dict[str, Any]:
    if by is None:
        return {"policy": None, "rule": None}
    policy = {"kind": kind_of(by.policy), "namespace": by.policy.namespace, "name": by.policy.name}
    return {"policy": policy, "rule": by.rule}


def _tried(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {"allowed": verdict.allowed, "text": verdict.text, **_rule(verdict.by)}
