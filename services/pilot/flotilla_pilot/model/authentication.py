"""Whether a workload takes mutual TLS, plaintext, or both: PeerAuthentication, and 1.4's Policy and MeshPolicy.

The narrowest object that says anything counts, whatever its kind; of two that are equally narrow the PeerAuthentication
(ADR 0115). From narrow to broad: a port, a workload or service, a namespace, the mesh.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.policies import Called, Policies
from flotilla_pilot.model.references import Reference, oldest_first, reference
from flotilla_protos.istio.security.v1beta1.peer_authentication_pb2 import PeerAuthentication
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject

UNSET = PeerAuthentication.MutualTLS.UNSET
DISABLE = PeerAuthentication.MutualTLS.DISABLE
PERMISSIVE = PeerAuthentication.MutualTLS.PERMISSIVE
STRICT = PeerAuthentication.MutualTLS.STRICT
Mode = PeerAuthentication.MutualTLS.Mode


@dataclass(frozen=True, slots=True)
class PeerMode:
    """DISABLE, PERMISSIVE or STRICT, and the objects that say so."""

    mode: Mode
    references: tuple[Reference, ...]


class PeerAuthentications:
    """All PeerAuthentications: workload's over namespace's over the root namespace's (pilot.md 2.12); and `policies`."""

    def __init__(self, items: Iterable[ConfigObject], root_namespace: str, policies: Policies) -> None:
        self._root = root_namespace
        self._policies = policies
        self._selecting: dict[str, list[ConfigObject]] = {}
        self._general: dict[str, ConfigObject] = {}
        self._known: dict[tuple[str, FrozenMap, int], PeerMode] = {}
        for item in oldest_first(items):
            if item.spec.selector.match_labels:
                self._selecting.setdefault(item.key.namespace, []).append(item)
            else:
                self._general.setdefault(item.key.namespace, item)

    def asks_services(self, namespace: str) -> bool:
        """Whether it matters by which services a workload of `namespace` is called."""
        return self._policies.has_targets(namespace)

    def mode(self, namespace: str, labels: Mapping[str, str], port: int, called: Iterable[Called] = ()) -> PeerMode:
        """What a workload of `namespace` with `labels` takes on its own `port`. PERMISSIVE if nobody says.

        `called` are the services that lead there, needed where `asks_services`. Workloads with equal labels share an
        answer, for there are many of them.
        """
        if self.asks_services(namespace) or not isinstance(labels, FrozenMap):
            return self._mode(namespace, labels, port, called)
        key = namespace, labels, port
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._mode(namespace, labels, port, called)
        return found

    def _mode(self, namespace: str, labels: Mapping[str, str], port: int, called: Iterable[Called]) -> PeerMode:
        own = self._workload(namespace, labels)
        policies = self._policies
        narrow, narrowest = policies.of_workload(namespace, labels, called)
        stated = (
            (policies.mesh, _policy_mode),
            (self._general.get(self._root), _general_mode),
            (policies.of_namespace(namespace), _policy_mode),
            (self._general.get(namespace), _general_mode),
            (narrow, _policy_mode),
            (own, _general_mode),
            (narrowest, _policy_mode),
            (own, lambda item: _port_mode(item, port)),
        )
        said = [(item, of(item)) for item, of in stated if item is not None]
        modes = [mode for _, mode in said if mode != UNSET]
        items = {item.key: item for item, _ in said}.values()
        return PeerMode(modes[-1] if modes else PERMISSIVE, tuple(reference(item) for item in items))

    def ports(self, namespace: str, labels: Mapping[str, str]) -> tuple[int, ...]:
        """The workload's ports of which its own policy says something."""
        item = self._workload(namespace, labels)
        return tuple(sorted(item.spec.port_level_mtls)) if item is not None else ()

    def _workload(self, namespace: str, labels: Mapping[str, str]) -> ConfigObject | None:
        items = self._selecting.get(namespace, [])
        return next((item for item in items if selects(item.spec.selector.match_labels, labels)), None)


def _general_mode(item: ConfigObject) -> Mode:
    mode: Mode = item.spec.mtls.mode
    return mode


def _port_mode(item: ConfigObject, port: int) -> Mode:
    spec: PeerAuthentication = item.spec
    return spec.port_level_mtls[port].mode if port in spec.port_level_mtls else UNSET


def _policy_mode(item: ConfigObject) -> Mode:
    """Of a Policy's ways to know a peer the first that is mutual TLS counts; without any it is plaintext."""
    for peer in item.spec.peers:
        if peer.WhichOneof("params") != "jwt":
            either = peer.mtls.mode == peer.mtls.PERMISSIVE or peer.mtls.allow_tls
            return PERMISSIVE if either else STRICT
    return DISABLE
