"""Host names: wildcards, what covers what, and short names."""

from __future__ import annotations

from collections.abc import Iterable

_LOCAL = "svc"


def is_wildcard(host: str) -> bool:
    """`*`, `*.example.com` and `*-suffix` are; a star elsewhere is none."""
    return host.startswith("*")


def matches(pattern: str, host: str) -> bool:
    """Whether one of two names, either of which may be a wildcard, covers something that the other does.

    Case does not count. Istio's `host.Name.Matches`: two wildcards match when one's suffix ends in the other's.
    """
    pattern, host = pattern.lower(), host.lower()
    if is_wildcard(pattern) and is_wildcard(host):
        long, short = (pattern[1:], host[1:]) if len(pattern) >= len(host) else (host[1:], pattern[1:])
        return long.endswith(short)
    if is_wildcard(pattern):
        return host.endswith(pattern[1:])
    if is_wildcard(host):
        return pattern.endswith(host[1:])
    return pattern == host


def covers(pattern: str, host: str) -> bool:
    """Whether everything that `host` names is named by `pattern` too (`host.Name.SubsetOf`, the other way round)."""
    pattern, host = pattern.lower(), host.lower()
    if not is_wildcard(pattern):
        return pattern == host
    suffix = pattern[1:]
    return host[1:].endswith(suffix) if is_wildcard(host) else host.endswith(suffix)


def specificity(host: str) -> tuple[bool, int, str]:
    """A sort key: exact names first, then the longer wildcard, `*` last; alphabetical among equals."""
    return is_wildcard(host), -len(host), host


def most_specific(patterns: Iterable[str], host: str) -> str | None:
    """The pattern that fits a host best: the name itself, else the longest wildcard; None where none fits."""
    fitting = [pattern for pattern in patterns if covers(pattern, host)]
    return min(fitting, key=specificity, default=None)


def resolve_short_name(host: str, namespace: str, domain: str = "cluster.local") -> str:
    """A name without a dot means a service of the object's own namespace; others are taken as they are.

    Without a domain a full name is `name.namespace`.
    In the pathological case of `host` being `*`, a wildcard or an IPv6 address it is returned unchanged.
    """
    if "." in host or ":" in host or is_wildcard(host) or not host:
        return host
    owned = f"{host}.{namespace}" if namespace else host
    return f"{owned}.{_LOCAL}.{domain}" if domain else owned


def short_names(fqdn: str, domain: str = "cluster.local") -> tuple[str, ...]:
    """The other names under which clients of any namespace know a service: `name.ns.svc` and `name.ns`.

    Empty for hosts that are not of the form name.namespace.svc.<domain>.
    """
    stem, found, rest = fqdn.partition(f".{_LOCAL}.{domain}")
    if not found or rest or stem.count(".") != 1:
        return ()
    return f"{stem}.{_LOCAL}", stem


def local_name(fqdn: str, namespace: str, domain: str = "cluster.local") -> str | None:
    """The bare name, if it means this service to a client of `namespace`."""
    names = short_names(fqdn, domain)
    name, _, own = (names[1] if names else "").partition(".")
    return name if names and own == namespace else None
