"""Rows of the template `authorization` as the calls that policies are about.

The template has fields for who calls (`subject.user`) and what is called (`action.*`); what it has no field for are
properties, of the subject or of the action, under the names of attributes. Those that are known here are PROPERTIES,
and `experimental.envoy.filters.<filter>[<key>]`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from flotilla_mixer.authorization.call import NOTHING, SPIFFE, AskedCall
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.authorization import attributes as of

TCP = "tcp"
PROTOCOL, RAW_CLAIMS = "context.protocol", "request.auth.raw_claims"
PROPERTIES = (
    PROTOCOL,
    of.DESTINATION_LABELS,
    of.DESTINATION_IP,
    of.DESTINATION_PORT,
    of.DESTINATION_NAME,
    of.DESTINATION_USER,
    of.HOST,
    of.HEADERS,
    of.SNI,
    of.SOURCE_IP,
    of.REMOTE_IP,
    of.REQUEST_PRINCIPAL,
    of.AUDIENCES,
    of.PRESENTER,
    of.CLAIMS,
    RAW_CLAIMS,
)
# What the fields of the template and the certificate in `subject.user` answer.
_OF_FIELDS = frozenset(
    (
        of.SOURCE_PRINCIPAL,
        of.SOURCE_NAMESPACE,
        of.SOURCE_ACCOUNT,
        of.SOURCE_TRUST_DOMAIN,
        of.METHOD,
        of.PATH,
        of.SERVICE,
        of.DESTINATION_NAMESPACE,
    )
)
_TOKEN = frozenset((of.REQUEST_PRINCIPAL, of.AUDIENCES, of.PRESENTER, of.CLAIMS))
_SPACED = ("scope", "permission")  # claims that hold several values with spaces between, as Istio splits them


class CallReader:
    """Reads the rows of one instance."""

    def __init__(self, spec: InstanceSpec) -> None:
        self._subject = spec.names.get("subject.properties", ())
        self._action = spec.names.get("action.properties", ())
        given = frozenset((*self._subject, *self._action))
        self.provided = given | _OF_FIELDS | (_TOKEN if RAW_CLAIMS in given else frozenset())
        """The attributes that policies can ask about with this instance."""

    def read(self, row: Sequence[Any]) -> AskedCall:
        """The call that a row describes."""
        user, _, namespace, service, method, path, subject, action = row
        found: dict[str, Any] = dict(zip(self._subject, subject, strict=True))
        found.update(zip(self._action, action, strict=True))
        get = found.get
        http = get(PROTOCOL) != TCP and bool(_text(method))
        source_ip = _address(get(of.SOURCE_IP))
        return AskedCall(
            _text(namespace),
            _map(get(of.DESTINATION_LABELS)),
            service=_text(service),
            principal=_uri(_text(user)),
            source_ip=source_ip,
            remote_ip=_last_address(get(of.REMOTE_IP)) or source_ip,
            destination_ip=_address(get(of.DESTINATION_IP)),
            destination_port=_number(get(of.DESTINATION_PORT)),
            sni=_text(get(of.SNI)),
            host=_text(get(of.HOST)) if http else None,
            method=_text(method) if http else None,
            path=_text(path) if http else None,
            headers=_map(get(of.HEADERS)),
            claims=_claims(found) if http else NOTHING,
            facts={**found, of.DESTINATION_NAMESPACE: _text(namespace)},
        )


def _text(value: object) -> str:
    """What is not there, or of another type than its attribute, is nothing."""
    return value if isinstance(value, str) else ""


def _map(value: object) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else NOTHING


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _uri(user: str) -> str:
    """A principal as certificates have it; attributes have it without its beginning, as 1.4 wrote it."""
    return user if not user or user.startswith(SPIFFE) else SPIFFE + user


def _address(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and value:
        try:
            return ipaddress.ip_address(value.strip()).packed
        except ValueError:
            return b""
    return b""


def _last_address(value: object) -> bytes:
    """Of the addresses in x-forwarded-for the last: the one that this mesh's own proxy wrote or believes."""
    return _address(value.rpartition(",")[2]) if isinstance(value, str) else _address(value)


def _claims(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The claims of a verified token, as a proxy tells them: whole as JSON, or what it took out of them."""
    raw = _text(found.get(RAW_CLAIMS))
    if raw:
        return _whole(raw)
    claims: dict[str, Any] = dict(_map(found.get(of.CLAIMS)))
    principal, audiences, presenter = (
        _text(found.get(each)) for each in (of.REQUEST_PRINCIPAL, of.AUDIENCES, of.PRESENTER)
    )
    if principal:
        issuer, _, subject = principal.rpartition("/")
        claims |= {"iss": issuer, "sub": subject}
    if audiences:
        claims["aud"] = audiences.split(",")
    if presenter:
        claims["azp"] = presenter
    return _split(claims)


def _whole(raw: str) -> Mapping[str, Any]:
    try:
        claims = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return NOTHING
    return _split(claims) if isinstance(claims, dict) else NOTHING


def _split(claims: dict[str, Any]) -> Mapping[str, Any]:
    for name in _SPACED:
        value = claims.get(name)
        if isinstance(value, str):
            claims[name] = value.split(" ")
    return claims
