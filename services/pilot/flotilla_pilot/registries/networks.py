"""Kubernetes Services that are ways into a network: from outside of it they are called in place of its workloads."""

from collections.abc import Iterable

from flotilla_pilot.model.place import NETWORK
from flotilla_pilot.model.registry import is_ip
from flotilla_pilot.model.services import NetworkGateway
from flotilla_shared.runtime.kube import objects as kube

PORT_LABEL = "networking.istio.io/gatewayPort"
_PORT = 15443


def network_gateways(item: kube.Service) -> tuple[NetworkGateway, ...]:
    """Of a Service with the label of a network: one at each of its addresses outside of the cluster.

    An address that is a name is left out: proxies are told addresses.
    """
    network = item.metadata.labels.get(NETWORK, "")
    if not network:
        return ()
    stated = item.metadata.labels.get(PORT_LABEL, "")
    port = int(stated) if stated.isdecimal() and 0 < int(stated) < 1 << 16 else _PORT
    return tuple(NetworkGateway(network, each, port) for each in sorted(set(_outside(item))) if is_ip(each))


def _outside(item: kube.Service) -> Iterable[str]:
    yield from item.spec.external_ips
    if item.spec.type == "LoadBalancer":
        yield from (each.ip for each in item.status.load_balancer.ingress)
