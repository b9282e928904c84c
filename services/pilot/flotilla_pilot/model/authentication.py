"""PeerAuthentication: whether a workload takes mutual TLS, plaintext, or both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_pilot.model.references import Reference, oldest_first, reference
from flotilla_protos.istio.security.v1beta1.peer_authentication_pb2 import PeerAuthentication
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject

UNSET = PeerAuthentication.MutualTLS.UNSET
DISABLE = PeerAuthentication.MutualTLS.DISABLE
PERMISSIVE = PeerAuthentication.MutualTLS.PERMISSIVE
STRICT = PeerAuthentication.MutualTLS.STRICT


@dataclass(frozen=True, slots=True)
class PeerMode:
    """DISABLE, PERMISSIVE or STRICT, and the objects that say so."""

    mode: PeerAuthentication.MutualTLS.Mode
    references: tuple[Reference, ...]


class PeerAuthentications:
    """All PeerAuthentications: workload's over namespace's over the root namespace's (pilot.md 2.12)."""

    def __init__(self, items: Iterable[ConfigObject], root_namespace: str) -> None:
        self._root = root_namespace
        self._selecting: dict[str, list[ConfigObject]] = {}
        self._general: dict[str, ConfigObject] = {}
        for item in oldest_first(items):
            if item.spec.selector.match_labels:
                self._selecting.setdefault(item.key.namespace, []).append(item)
            else:
                self._general.setdefault(item.key.namespace, item)

    def mode(self, namespace: str, labels: Mapping[str, str], port: int) -> PeerMode:
        """What a workload of `namespace` with `labels` takes on its own `port`. PERMISSIVE if nobody says."""
        layers = (
            self._general.get(self._root),
            self._general.get(namespace),
            self._workload(namespace, labels),
        )
        items = list({item.key: item for item in layers if item is not None}.values())
        said = [mode for item in items for mode in _stated(item, port) if mode != UNSET]
        return PeerMode(said[-1] if said else PERMISSIVE, tuple(reference(item) for item in items))

    def ports(self, namespace: str, labels: Mapping[str, str]) -> tuple[int, ...]:
        """The workload's ports of which its own policy says something."""
        item = self._workload(namespace, labels)
        return tuple(sorted(item.spec.port_level_mtls)) if item is not None else ()

    def _workload(self, namespace: str, labels: Mapping[str, str]) -> ConfigObject | None:
        items = self._selecting.get(namespace, [])
        return next((item for item in items if selects(item.spec.selector.match_labels, labels)), None)


def _stated(item: ConfigObject, port: int) -> Iterable[PeerAuthentication.MutualTLS.Mode]:
    """The mode for all ports, then that of the port: only a policy with a selector may have one."""
    spec: PeerAuthentication = item.spec
    yield spec.mtls.mode
    if spec.selector.match_labels and port in spec.port_level_mtls:
        yield spec.port_level_mtls[port].mode
