"""`egress.hosts` of a Sidecar: which services and rules it lets in."""

from collections.abc import Iterable
from dataclasses import dataclass

from flotilla_shared.model.hosts import matches


@dataclass(frozen=True, slots=True)
class Import:
    """One `namespace/dnsName`; namespace `*` is any, `.` the Sidecar's own, `~` none."""

    namespace: str
    host: str

    def lets_in(self, owner: str, host: str, own: str) -> bool:
        """Whether `host` of namespace `owner` is named, for a Sidecar of namespace `own`."""
        wanted = own if self.namespace == "." else self.namespace
        return wanted in ("*", owner) and (self.host == "*" or _overlap(self.host, host))


def parse_imports(hosts: Iterable[str]) -> tuple[Import, ...]:
    """The imports of `hosts`; what has no namespace is of any."""
    return tuple(_parse(host) for host in hosts)


def _parse(text: str) -> Import:
    namespace, slash, host = text.partition("/")
    return Import(namespace, host.lower()) if slash else Import("*", text.lower())


def _overlap(pattern: str, host: str) -> bool:
    """A wildcard service (`*.example.com`) is let in by itself and by any wider pattern."""
    return pattern == host or matches(pattern, host)


def lets_in(imports: Iterable[Import], owner: str, host: str, own: str) -> bool:
    return any(each.lets_in(owner, host, own) for each in imports)
