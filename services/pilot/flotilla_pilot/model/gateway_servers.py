"""What a server of a Gateway does with connections, by its protocol and its TLS mode."""

from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import Server, ServerTLSSettings
from flotilla_shared.model.protocols import Protocol, parse_protocol

_PASSTHROUGH = (ServerTLSSettings.PASSTHROUGH, ServerTLSSettings.AUTO_PASSTHROUGH)


def is_plain_http(server: Server) -> bool:
    """HTTP that no certificate belongs to; `httpsRedirect` alone makes no TLS."""
    protocol = parse_protocol(server.port.protocol)
    return protocol.is_http or (protocol is Protocol.UNSUPPORTED and not server.HasField("tls"))


def is_tls(server: Server) -> bool:
    """Whether clients come with TLS, whoever ends it."""
    return server.HasField("tls") and not parse_protocol(server.port.protocol).is_http


def passes_through(server: Server) -> bool:
    """Whether the clients' TLS is sent on as it is."""
    return server.HasField("tls") and server.tls.mode in _PASSTHROUGH


def ends_https(server: Server) -> bool:
    """Whether the server ends TLS and looks into the HTTP in it."""
    return is_tls(server) and not passes_through(server) and parse_protocol(server.port.protocol) is Protocol.HTTPS


def ends_tcp(server: Server) -> bool:
    """Whether the server ends TLS and sends on the bytes in it."""
    return is_tls(server) and not passes_through(server) and not ends_https(server)
