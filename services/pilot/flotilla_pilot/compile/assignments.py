"""What is told of a cluster's endpoints, and the assignment that callers at one place get of it."""

from collections.abc import Hashable

from flotilla_pilot.compile.endpoints import assembled, endpoint_body, with_tls_modes
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.compile.priorities import Group, Member
from flotilla_pilot.compile.split_horizon import Horizon
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.snapshot import MeshSnapshot


class Told:
    """What is told of the endpoints of a cluster, whatever the place it is called from (but for its node).

    Places differ by the order and the weights alone, so that each endpoint is written once for all of them.
    """

    def __init__(self, given: OutboundCluster, snapshot: MeshSnapshot) -> None:
        self._given = given
        self._members, self._references = with_tls_modes(given.endpoints(), given.service, given.port, snapshot)
        self._modes = tuple(mutual for _, mutual in self._members)
        self._groups: list[Group] | None = None
        self._networks = snapshot.networks
        self._reached: dict[str, list[Group]] = {}
        self._bodies: dict[int, bytes] = {}

    @property
    def references(self) -> tuple[Reference, ...]:
        """What an assignment of it is made from."""
        given = self._given
        spread = given.mesh.references if given.balance is not None else ()
        asked = given.subset or given.balance is not None or given.passed_through or self._networks
        policy = given.policy.references if asked else ()
        return *self._references, *policy, *spread, *self._networks.references

    def key(self, given: OutboundCluster) -> tuple[Hashable, ...]:
        """Equal keys give equal assignments; `given` is the cluster as it is called from some place."""
        node = given.place.node if given.service.node_local else ""
        entered = (given.place.network, given.caller.families) if self._networks else ()
        return "endpoints", given.name, self.references, self._modes, given.seen(), node, entered

    def assignment(self, given: OutboundCluster) -> bytes:
        """The ClusterLoadAssignment, serialised."""
        if self._groups is None:
            self._groups = given.by_locality(self._members)
        return assembled(given.name, given.in_order(self._within_reach(self._groups, given.place.network)), self._body)

    def _within_reach(self, groups: list[Group], network: str) -> list[Group]:
        """Remembered, also so that no endpoint of it goes away, by whose identity its bytes are kept."""
        if not self._networks:
            return groups
        found = self._reached.get(network)
        if found is None:
            given = self._given
            horizon = Horizon(self._networks, network, given.caller.families, given.port, given.effective.tls)
            found = self._reached[network] = horizon.reached(groups)
        return found

    def _body(self, member: Member) -> bytes:
        key = id(member[0])
        found = self._bodies.get(key)
        if found is None:
            found = self._bodies[key] = endpoint_body(*member, self._given.port, self._given.mesh)
        return found
