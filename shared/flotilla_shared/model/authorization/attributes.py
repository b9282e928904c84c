"""What a policy can ask about a call: the names of Istio's `when`, and three that only operations have."""

from __future__ import annotations

from typing import NamedTuple

SOURCE_IP, REMOTE_IP = "source.ip", "remote.ip"
SOURCE_PRINCIPAL, SOURCE_NAMESPACE = "source.principal", "source.namespace"
SOURCE_ACCOUNT, SOURCE_TRUST_DOMAIN = "source.serviceAccount", "source.trustDomain"
REQUEST_PRINCIPAL, AUDIENCES, PRESENTER = "request.auth.principal", "request.auth.audiences", "request.auth.presenter"
CLAIMS, HEADERS = "request.auth.claims", "request.headers"
DESTINATION_IP, DESTINATION_PORT, SNI = "destination.ip", "destination.port", "connection.sni"
EXPERIMENTAL = "experimental.envoy.filters."
# What operations ask about; `when` has no name for them.
HOST, METHOD, PATH = "request.host", "request.method", "request.path"
# What 1.4's roles ask about beside those.
SERVICE = "destination.service.host"
DESTINATION_NAME, DESTINATION_NAMESPACE = "destination.name", "destination.namespace"
DESTINATION_USER, DESTINATION_LABELS = "destination.user", "destination.labels"

PLAIN = (
    SOURCE_IP,
    REMOTE_IP,
    SOURCE_NAMESPACE,
    SOURCE_ACCOUNT,
    SOURCE_TRUST_DOMAIN,
    SOURCE_PRINCIPAL,
    REQUEST_PRINCIPAL,
    AUDIENCES,
    PRESENTER,
    DESTINATION_IP,
    DESTINATION_PORT,
    SNI,
)
"""The keys of `when` that are written without brackets, as they are today."""
ADDRESSES = frozenset((SOURCE_IP, REMOTE_IP, DESTINATION_IP))
"""Whose values are addresses or networks."""
HTTP_ONLY = frozenset((HOST, METHOD, PATH, HEADERS, REQUEST_PRINCIPAL, AUDIENCES, PRESENTER, CLAIMS))
"""What a TCP connection does not have."""


class Attribute(NamedTuple):
    """`path` is what stands in the brackets: a header's name, a claim with those inside of it, a filter's key."""

    name: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + "".join(f"[{each}]" for each in self.path)


def attribute_of(key: str) -> Attribute:
    """The attribute of a condition's key. Raises ValueError for brackets that do not close."""
    name, bracket, rest = key.partition("[")
    if not bracket:
        return Attribute(key)
    if not rest.endswith("]") or len(rest) < 2:
        raise ValueError(f"{key!r} must be of the form name[key]")
    if name == HEADERS:
        return Attribute(name, (rest[:-1].lower(),))
    return Attribute(name, tuple(rest[:-1].split("][")))
