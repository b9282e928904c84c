"""SPIFFE identities as the mesh writes them: spiffe://<trust domain>/ns/<namespace>/sa/<service account>."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_SHAPE = re.compile(r"spiffe://([a-z0-9._-]{1,255})/ns/([^/\s]+)/sa/([^/\s]+)\Z")


class SpiffeId(NamedTuple):
    trust_domain: str
    namespace: str
    service_account: str

    def __str__(self) -> str:
        return spiffe_id(*self)


def spiffe_id(trust_domain: str, namespace: str, service_account: str) -> str:
    """The identity's URI. A `@` in the trust domain becomes a dot, as Istio writes it."""
    return f"spiffe://{trust_domain.replace('@', '.')}/ns/{namespace}/sa/{service_account}"


def parse_spiffe(uri: str) -> SpiffeId:
    """The parts of an identity; raises ValueError for anything that is not of the mesh's form."""
    found = _SHAPE.match(uri)
    if found is None:
        raise ValueError(f"{uri!r} is no identity of the form spiffe://<trust domain>/ns/<namespace>/sa/<account>")
    return SpiffeId(*found.groups())


def in_trust_domains(identities: Iterable[str], aliases: Iterable[str]) -> list[str]:
    """`identities`, and those of the mesh's form in each of the trust domains `aliases` too, each once, in order.

    Workloads keep their identity while the mesh moves from one trust domain to another; what is no identity stays.
    """
    other = tuple(aliases)
    found: dict[str, None] = {}
    for each in identities:
        parts = _SHAPE.match(each)
        found[each] = None
        if parts is not None:
            found.update(dict.fromkeys(spiffe_id(domain, *parts.groups()[1:]) for domain in other))
    return list(found)
