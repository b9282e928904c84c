"""Principals as policies name them, in each trust domain that the mesh has or had."""

from __future__ import annotations

from collections.abc import Sequence

PARTS = 5  # <trust domain>/ns/<namespace>/sa/<account>


def with_aliases(principals: Sequence[str], trust_domains: Sequence[str]) -> tuple[str, ...]:
    """The principals, and those of a trust domain of the mesh in each of the others too, each once.

    `trust_domains` is the mesh's own, then its aliases. A principal whose trust domain is not named, or is none of
    these, stays alone.
    """
    found: dict[str, None] = {}
    for principal in principals:
        found.update(dict.fromkeys(_in_each(principal, trust_domains)))
    return tuple(found)


def _in_each(principal: str, trust_domains: Sequence[str]) -> Sequence[str]:
    domain, _, rest = principal.partition("/")
    if principal.count("/") != PARTS - 1 or domain == "*":
        return (principal,)
    if not any(_covers(domain, each) for each in trust_domains):
        return (principal,)
    return [principal if _covers(domain, each) else f"{each}/{rest}" for each in trust_domains]


def _covers(pattern: str, domain: str) -> bool:
    if pattern.startswith("*"):
        return domain.endswith(pattern[1:])
    if pattern.endswith("*"):
        return domain.startswith(pattern[:-1])
    return pattern == domain
