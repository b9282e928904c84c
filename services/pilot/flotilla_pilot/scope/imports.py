"""`egress.hosts` of a Sidecar: which services and rules it lets in."""

from collections.abc import Iterable
from dataclasses import dataclass

from flotilla_shared.model.hosts import matches


@dataclass(frozen=True, slots=True)
class Import:
    """One `namespace/dnsName`; namespace `*` is any, `.` the Sidecar's own, `~` none.

    `bars`: it was written `~namespace/dnsName`, and keeps out what others let in.
    """

    namespace: str
    host: str
    bars: bool = False

    def names(self, owner: str, host: str, own: str) -> bool:
        """Whether `host` of namespace `owner` is named, for a Sidecar of namespace `own`."""
        wanted = own if self.namespace == "." else self.namespace
        return wanted in ("*", owner) and (self.host == "*" or _overlap(self.host, host))


def parse_imports(hosts: Iterable[str]) -> tuple[Import, ...]:
    """The imports of `hosts`; what has no namespace is of any."""
    return tuple(_parse(host) for host in hosts)


def _parse(text: str) -> Import:
    namespace, slash, host = text.partition("/")
    if not slash:
        return Import("*", text.lower())
    bars = len(namespace) > 1 and namespace.startswith("~")
    return Import(namespace[1:] if bars else namespace, host.lower(), bars)


def _overlap(pattern: str, host: str) -> bool:
    """A wildcard service (`*.example.com`) is let in by itself and by any wider pattern."""
    return pattern == host or matches(pattern, host)


def lets_in(imports: Iterable[Import], owner: str, host: str, own: str) -> bool:
    """Whether one of `imports` names `host` of namespace `owner`, for a Sidecar of namespace `own`, and none bars it."""
    found = [each.bars for each in imports if each.names(owner, host, own)]
    return bool(found) and not any(found)
