"""Endpoints in networks that a caller cannot reach: the gateways of these networks stand for them."""

from collections.abc import Iterable
from dataclasses import replace

from flotilla_pilot.compile.priorities import MAX_WEIGHT, Group, Member, in_mesh_tls
from flotilla_pilot.model.networks import Networks
from flotilla_pilot.model.services import TLS_ISTIO, Endpoint, NetworkGateway, ServicePort
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings


def reached(
    groups: Iterable[Group], network: str, networks: Networks, port: ServicePort, stated: ClientTLSSettings | None
) -> list[Group]:
    """`groups` as a caller in `network` reaches them; `stated` is the TLS that its DestinationRule asks for.

    A gateway weighs what the workloads behind it do; several share that. It finds the way by the server name of the
    mesh's TLS, so that a workload that is called without cannot be reached.
    """
    return [_reached(each, network, networks, port, stated) for each in groups]


def _reached(
    group: Group, network: str, networks: Networks, port: ServicePort, stated: ClientTLSSettings | None
) -> Group:
    direct: list[Member] = []
    weights: dict[NetworkGateway, int] = {}
    for endpoint, mutual in group.members:
        weight = endpoint.weight * networks.scale
        gateways = networks.between(network, endpoint.network)
        if not gateways:
            direct.append((endpoint if networks.scale == 1 else replace(endpoint, weight=weight), mutual))
        elif in_mesh_tls((endpoint, mutual), stated):
            for each in gateways:
                weights[each] = weights.get(each, 0) + weight // len(gateways)
    members = (*direct, *(_gateway(each, weight, group.locality, port) for each, weight in sorted(weights.items())))
    weight = min(sum(each.weight for each, _ in members), MAX_WEIGHT)
    return replace(group, members=members, weight=weight or None)


def _gateway(gateway: NetworkGateway, weight: int, locality: str, port: ServicePort) -> Member:
    found = Endpoint(
        address=gateway.address,
        ports=((port.name, gateway.port),),
        tls_mode=TLS_ISTIO,
        network=gateway.network,
        locality=locality,
        weight=weight,
        stated_ports_only=True,
    )
    return found, True
