"""One clause of a rule as a function of a call.

Each kind of attribute has what Istio compiles it to for Envoy's RBAC filter (pilot.md 2.12), and the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from flotilla_mixer.authorization.call import SPIFFE, AskedCall
from flotilla_mixer.authorization.texts import (
    ANY,
    Networks,
    TextTest,
    is_template,
    pattern_test,
    quoted,
    template_pattern,
    text_test,
)
from flotilla_shared.model.authorization import attributes as of
from flotilla_shared.model.authorization.attributes import Attribute
from flotilla_shared.model.authorization.policy import Clause

Predicate = Callable[[AskedCall], bool]
Values = Sequence[str]


def clause_test(clause: Clause) -> Predicate:
    """The clause, compiled. Raises ValueError for a value that its attribute cannot have."""
    wanted = _any_of(clause.attribute, clause.values) if clause.values else None
    unwanted = _any_of(clause.attribute, clause.not_values) if clause.not_values else None
    if wanted is None and unwanted is None:
        return lambda call: True
    if unwanted is None:
        return wanted  # type: ignore[return-value]
    if wanted is None:
        return lambda call: not unwanted(call)
    return lambda call: wanted(call) and not unwanted(call)


def _any_of(attribute: Attribute, values: Values) -> Predicate:
    name = attribute.name
    if name.startswith(of.EXPERIMENTAL):
        return _filter_metadata(str(attribute), values)
    if name in _KEYED and attribute.path:
        return _KEYED[name](attribute.path, values)
    found = _PLAIN.get(name)
    if found is None or attribute.path:
        raise ValueError(f"{str(attribute)!r} is no attribute that a policy can ask about")
    return found(values)


def _host(values: Values) -> Predicate:
    if ANY in values:
        return lambda call: call.host is not None
    test = text_test(values, fold=True)
    return lambda call: call.host is not None and test(call.host)


def _method(values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: call.method is not None and test(call.method)


def _path(values: Values) -> Predicate:
    """Without query and fragment."""
    plain = [each for each in values if not is_template(each)]
    templates = [template_pattern(each) for each in values if is_template(each)]
    tests = [text_test(plain)] if plain else []
    tests += [pattern_test(templates)] if templates else []

    def holds(call: AskedCall) -> bool:
        if call.path is None:
            return False
        path = call.path.partition("?")[0].partition("#")[0]
        return any(test(path) for test in tests)

    return holds


def _principal(values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: call.principal.startswith(SPIFFE) and test(call.principal.removeprefix(SPIFFE))


def _caller_pattern(pattern: Callable[[str], str], values: Values) -> Predicate:
    test = pattern_test(map(pattern, values))
    return lambda call: bool(call.principal) and test(call.principal)


def _namespace(values: Values) -> Predicate:
    """Of names without a star Istio's pattern, `.*/ns/NAME/.*`, is the same as whether this stands in the principal."""
    plain = [f"/ns/{each}/" for each in values if ANY not in each]
    patterns = [f".*/ns/{quoted(each)}/.*" for each in values if ANY in each]
    if not patterns:
        return lambda call: any(each in call.principal for each in plain)
    test = pattern_test(patterns)
    return lambda call: any(each in call.principal for each in plain) or test(call.principal)


def _account_pattern(value: str) -> str:
    namespace, _, account = value.partition("/")
    return f"{SPIFFE}.+/ns/{_plain(namespace)}/(.+/|)sa/{_plain(account)}(/.+)?"


def _trust_domain_pattern(value: str) -> str:
    return f"{SPIFFE}.*" if value == ANY else f"{SPIFFE}{'[^/]*'.join(map(_plain, value.split(ANY)))}/.*"


def _plain(text: str) -> str:
    return "[*]".join(map(quoted, text.split(ANY)))


def _address(field: str, values: Values) -> Predicate:
    networks = Networks(values)
    return lambda call: networks.has(getattr(call, field))


def _port(values: Values) -> Predicate:
    ports = frozenset(map(int, values))
    return lambda call: call.destination_port in ports


def _sni(values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: test(call.sni)


def _service(values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: test(call.service)


def _header(path: tuple[str, ...], values: Values) -> Predicate:
    name = path[0]
    if ANY in values:
        return lambda call: call.header(name) is not None
    test = text_test(values)

    def holds(call: AskedCall) -> bool:
        found = call.header(name)
        return found is not None and test(found)

    return holds


def _label(path: tuple[str, ...], values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: test(call.labels.get(path[0], ""))


def _fact(name: str, values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: test(str(call.facts.get(name, "")))


def _claim(path: tuple[str, ...], values: Values) -> Predicate:
    test = text_test(values)
    return lambda call: _claimed(claim_at(call.claims, path), test)


def claim_at(claims: Mapping[str, Any], path: tuple[str, ...]) -> object:
    """A claim, or None."""
    found: Any = claims
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _claimed(found: object, test: TextTest) -> bool:
    if isinstance(found, str):
        return test(found)
    return isinstance(found, (list, tuple)) and any(isinstance(each, str) and test(each) for each in found)


def _request_principal(values: Values) -> Predicate:
    """`issuer/subject`: each of both is a pattern by itself."""
    tests = [(text_test([issuer]), text_test([subject])) for issuer, subject in map(_issuer_and_subject, values)]

    def holds(call: AskedCall) -> bool:
        issuer, subject = call.claims.get("iss"), call.claims.get("sub")
        if not isinstance(issuer, str) or not isinstance(subject, str):
            return False
        return any(of_issuer(issuer) and of_subject(subject) for of_issuer, of_subject in tests)

    return holds


def _issuer_and_subject(value: str) -> tuple[str, str]:
    issuer, slash, subject = value.rpartition("/")
    if slash:
        return issuer, subject
    if value == ANY:
        return ANY, ANY
    if value.startswith(ANY):
        return ANY, value
    return (value, ANY) if value.endswith(ANY) else (value, "")


def _filter_metadata(key: str, values: Values) -> Predicate:
    """What a filter has found out of the request, where the instance says it; `[value]` is one of a list."""
    single = text_test([each for each in values if not _is_list(each)])
    listed = text_test([each[1:-1] for each in values if _is_list(each)])

    def holds(call: AskedCall) -> bool:
        found = call.facts.get(key)
        if isinstance(found, (list, tuple)):
            return any(isinstance(each, str) and listed(each) for each in found)
        return isinstance(found, str) and (single(found) or any(map(listed, found.split(","))))

    return holds


def _is_list(value: str) -> bool:
    return value.startswith("[") and value.endswith("]")


_PLAIN: Mapping[str, Callable[[Values], Predicate]] = {
    of.HOST: _host,
    of.METHOD: _method,
    of.PATH: _path,
    of.SOURCE_PRINCIPAL: _principal,
    of.SOURCE_NAMESPACE: _namespace,
    of.SOURCE_ACCOUNT: partial(_caller_pattern, _account_pattern),
    of.SOURCE_TRUST_DOMAIN: partial(_caller_pattern, _trust_domain_pattern),
    of.SOURCE_IP: partial(_address, "source_ip"),
    of.REMOTE_IP: partial(_address, "remote_ip"),
    of.DESTINATION_IP: partial(_address, "destination_ip"),
    of.DESTINATION_PORT: _port,
    of.SNI: _sni,
    of.REQUEST_PRINCIPAL: _request_principal,
    of.AUDIENCES: partial(_claim, ("aud",)),
    of.PRESENTER: partial(_claim, ("azp",)),
    of.SERVICE: _service,
    of.DESTINATION_NAME: partial(_fact, of.DESTINATION_NAME),
    of.DESTINATION_NAMESPACE: partial(_fact, of.DESTINATION_NAMESPACE),
    of.DESTINATION_USER: partial(_fact, of.DESTINATION_USER),
}
_KEYED: Mapping[str, Callable[[tuple[str, ...], Values], Predicate]] = {
    of.HEADERS: _header,
    of.CLAIMS: _claim,
    of.DESTINATION_LABELS: _label,
}
