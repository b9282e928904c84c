"""1.4's Policy and MeshPolicy: which of them speaks for a workload's port."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flotilla_pilot.model.references import oldest_first
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_shared.model.hosts import resolve_short_name
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject

Called = tuple[Service, ServicePort]
"""A service that leads to a workload, and by which of its ports."""

Pair = tuple[ConfigObject | None, ConfigObject | None]


class Policies:
    """All of them. The oldest counts among those that are equally narrow."""

    def __init__(self, policies: Iterable[ConfigObject], mesh_policies: Iterable[ConfigObject], domain: str) -> None:
        self._domain = domain
        self.mesh = next(iter(oldest_first(mesh_policies)), None)
        self._general: dict[str, ConfigObject] = {}
        self._targeting: dict[str, list[ConfigObject]] = {}
        for item in oldest_first(policies):
            if item.spec.targets:
                self._targeting.setdefault(item.key.namespace, []).append(item)
            else:
                self._general.setdefault(item.key.namespace, item)

    def has_targets(self, namespace: str) -> bool:
        return namespace in self._targeting

    def of_namespace(self, namespace: str) -> ConfigObject | None:
        return self._general.get(namespace)

    def of_workload(self, namespace: str, labels: Mapping[str, str], called: Iterable[Called]) -> Pair:
        """The policy for a service of `called` as a whole, and that for one of its ports."""
        if namespace not in self._targeting:
            return None, None
        ways = [each for each in called if each[0].namespace == namespace]
        whole = port = None
        for item in self._targeting[namespace]:
            for target in self._met(item, labels, ways):
                if target.ports:
                    port = port or item
                else:
                    whole = whole or item
        return whole, port

    def _met(self, item: ConfigObject, labels: Mapping[str, str], ways: Iterable[Called]) -> Iterator[Any]:
        for target in item.spec.targets:
            host = resolve_short_name(target.name, item.key.namespace, self._domain).lower() if target.name else ""
            if (host or target.labels) and selects(target.labels, labels) and _leads(target, host, ways):
                yield target


def _leads(target: Any, host: str, ways: Iterable[Called]) -> bool:
    """Whether one of `ways` is what `target` names; labels alone name the workload, by whatever it is called."""
    if not host and not target.ports:
        return True
    return any(host in ("", service.host) and _has_port(target, port) for service, port in ways)


def _has_port(target: Any, port: ServicePort) -> bool:
    return not target.ports or any(
        each.number == port.number if each.WhichOneof("port") == "number" else each.name == port.name
        for each in target.ports
    )
