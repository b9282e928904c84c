"""The Gateway that stands for an Ingress."""

from collections.abc import Iterator

from flotilla_pilot.ingress.told import Tell
from flotilla_pilot.model.route_rules import INGRESS_GATEWAY
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Gateway, Server, ServerTLSSettings
from flotilla_shared.runtime.kube.objects import Ingress


def gateway_name(ingress: Ingress) -> str:
    return f"{ingress.metadata.name}-{INGRESS_GATEWAY}-{ingress.metadata.namespace}"


def gateway_of(ingress: Ingress, selector: str, tell: Tell) -> Gateway:
    """A server for each certificate, and one for plain HTTP that takes every host."""
    meta = ingress.metadata
    gateway = Gateway(selector={"istio": selector}, servers=list(_encrypted(ingress, tell)))
    plain = gateway.servers.add(hosts=["*"])
    plain.port.number, plain.port.protocol = 80, "HTTP"
    plain.port.name = f"http-80-ingress-{meta.name}-{meta.namespace}"
    return gateway


def _encrypted(ingress: Ingress, tell: Tell) -> Iterator[Server]:
    meta = ingress.metadata
    for index, tls in enumerate(ingress.spec.tls):
        if not tls.secret_name:
            tell(f"spec.tls[{index}].secretName", "there is no certificate for these hosts; name a Secret")
            continue
        server = Server(hosts=tls.hosts or ["*"])
        server.port.number, server.port.protocol = 443, "HTTPS"
        server.port.name = f"https-443-ingress-{meta.name}-{meta.namespace}-{index}"
        server.tls.mode = ServerTLSSettings.SIMPLE
        server.tls.credential_name = tls.secret_name
        yield server
