"""Endpoints in networks that a caller cannot reach: the gateways of these networks stand for them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flotilla_pilot.compile.priorities import MAX_WEIGHT, Group, Member, in_mesh_tls
from flotilla_pilot.model.caller import Families
from flotilla_pilot.model.networks import Networks
from flotilla_pilot.model.services import TLS_ISTIO, Endpoint, NetworkGateway, ServicePort
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings


@dataclass(frozen=True, slots=True, eq=False)
class Horizon:
    """What callers in `network` reach of the endpoints of a port; `stated` is the TLS that a DestinationRule asks for."""

    networks: Networks
    network: str
    families: Families
    port: ServicePort
    stated: ClientTLSSettings | None

    def reached(self, groups: Iterable[Group]) -> list[Group]:
        """`groups` with the gateways for what is beyond.

        A gateway weighs what the workloads behind it do; several share that. It finds the way by the server name of the
        mesh's TLS, so that a workload that is called without cannot be reached; nor one whose gateways are all of
        another family than the caller.
        """
        return [self._reached(each) for each in groups]

    def _reached(self, group: Group) -> Group:
        direct: list[Member] = []
        weights: dict[NetworkGateway, int] = {}
        scale = self.networks.scale
        for endpoint, mutual in group.members:
            gateways = self.networks.between(self.network, endpoint.network)
            if not gateways:
                direct.append((endpoint if scale == 1 else replace(endpoint, weight=endpoint.weight * scale), mutual))
                continue
            usable = [each for each in gateways if _is_of(each, self.families)]
            for each in usable if in_mesh_tls((endpoint, mutual), self.stated) else ():
                weights[each] = weights.get(each, 0) + endpoint.weight * scale // len(usable)
        members = (*direct, *(self._gateway(each, weight, group.locality) for each, weight in sorted(weights.items())))
        weight = min(sum(each.weight for each, _ in members), MAX_WEIGHT)
        return replace(group, members=members, weight=weight or None)

    def _gateway(self, gateway: NetworkGateway, weight: int, locality: str) -> Member:
        found = Endpoint(
            address=gateway.address,
            ports=((self.port.name, gateway.port),),
            tls_mode=TLS_ISTIO,
            network=gateway.network,
            locality=locality,
            weight=weight,
            stated_ports_only=True,
        )
        return found, True


def _is_of(gateway: NetworkGateway, families: Families) -> bool:
    return families is Families.BOTH or (":" in gateway.address) == (families is Families.V6)
