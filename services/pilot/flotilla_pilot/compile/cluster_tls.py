"""TLS of outbound clusters: what is asked for, by a rule or because the endpoints take it, and how it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import (
    ProxyProtocolUpstreamTransport,
)
from google.protobuf.struct_pb2 import Struct

from flotilla_pilot.compile import names, tls
from flotilla_pilot.compile.http_options import Speech
from flotilla_pilot.compile.outbound_cluster import OUTSIDE, OutboundCluster
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.model.services import TLS_DISABLED, TLS_ISTIO
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings, TrafficPolicy

_PROXY_PROTOCOL = "envoy.transport_sockets.upstream_proxy_protocol"


@dataclass(frozen=True, slots=True, eq=False)
class WantedTls:
    """What is asked for; `settings` None or DISABLE is plaintext."""

    settings: ClientTLSSettings | None = None
    by_endpoint: bool = False
    """Only to endpoints that say they take it."""

    @property
    def outside(self) -> bool:
        """Whether it is TLS with certificates that are not the mesh's."""
        return self.settings is not None and self.settings.mode in OUTSIDE


PLAINTEXT = WantedTls()


def wanted_tls(given: OutboundCluster) -> WantedTls:
    """What a rule orders, else mutual TLS of the mesh where an endpoint takes it (pilot.md 2.7)."""
    if given.passed_through:
        return PLAINTEXT
    ordered = given.effective.tls
    if ordered is not None:
        return WantedTls(_as_ordered(given, ordered))
    if given.service.external or not given.mesh.auto_mtls or given.refuses_tls:
        return PLAINTEXT
    if given.forwards or given.is_dialled:
        return WantedTls(_mutual(given)) if given.dialled_mutual else PLAINTEXT
    return WantedTls(_mutual(given), by_endpoint=True)


def _as_ordered(given: OutboundCluster, ordered: ClientTLSSettings) -> ClientTLSSettings:
    """Certificates of the caller's own count before those that a rule names for the mesh."""
    if ordered.mode in (ClientTLSSettings.DISABLE, ClientTLSSettings.SIMPLE):
        return ordered
    if given.caller.files is not None and not given.service.external:
        return _mutual(given, ordered.sni, ordered.subject_alt_names, or_default=False)
    if ordered.mode == ClientTLSSettings.ISTIO_MUTUAL:
        return _mutual(given, ordered.sni, ordered.subject_alt_names)
    return ordered


def _mutual(
    given: OutboundCluster, sni: str = "", identities: Sequence[str] = (), *, or_default: bool = True
) -> ClientTLSSettings:
    """Mutual TLS of the mesh: with the certificate of the mesh, or with the caller's own."""
    if or_default:
        if not (sni or given.forwards):
            sni = names.outbound_sni(given.port.number, given.subset, given.service.host)
        identities = identities or given.identities()
    files = given.caller.files
    if files is None:
        return ClientTLSSettings(mode=ClientTLSSettings.ISTIO_MUTUAL, sni=sni, subject_alt_names=identities)
    return ClientTLSSettings(
        mode=ClientTLSSettings.MUTUAL,
        client_certificate=files.chain,
        private_key=files.key,
        ca_certificates=files.root,
        sni=sni,
        subject_alt_names=identities,
    )


def speech_of(given: OutboundCluster, wanted: WantedTls) -> Speech:
    """How the cluster speaks HTTP, where it depends on TLS.

    Without a stated name the server is asked for by the request's own; and unless names are stated that its
    certificate may have, it must have that one. Who is resolved by name is always held to it.
    """
    settings = wanted.settings
    if settings is None or not (wanted.outside or (given.forwards and settings.mode != ClientTLSSettings.DISABLE)):
        return Speech(given.http2, follows=given.sniffed)
    by_request = given.forwards or not settings.sni
    held = given.forwards or (by_request and not settings.subject_alt_names)
    checked = held and not settings.insecure_skip_verify.value
    return Speech(given.http2, follows=given.sniffed, names_server=by_request, checks_name=checked)


def apply_tls(cluster: Any, given: OutboundCluster, wanted: WantedTls) -> None:
    """Write transport sockets into `cluster`."""
    socket = _socket(given, wanted)
    if socket is not None and wanted.by_endpoint:
        cluster.transport_socket_matches.add(
            name="tlsMode-istio", match=_struct({"tlsMode": TLS_ISTIO}), transport_socket=socket
        )
        cluster.transport_socket_matches.add(
            name=f"tlsMode-{TLS_DISABLED}", match=Struct(), transport_socket=tls.raw_buffer()
        )
    elif socket is not None:
        cluster.transport_socket.CopyFrom(socket)
    if given.effective.proxy_protocol is not None and not given.passed_through:
        _announce(cluster, given.effective.proxy_protocol)


def _socket(given: OutboundCluster, wanted: WantedTls) -> TransportSocket | None:
    settings = wanted.settings
    if settings is None or settings.mode == ClientTLSSettings.DISABLE:
        return None
    if settings.mode == ClientTLSSettings.ISTIO_MUTUAL:
        return tls.mesh_client(settings.sni, settings.subject_alt_names, _alpn(given))
    names_known = settings.subject_alt_names or (() if given.service.is_native else given.identities())
    return tls.outside_client(settings, names_known, given.mesh.clusters, ("h2",) if given.http2 else ())


def _alpn(given: OutboundCluster) -> tuple[str, ...]:
    if given.http2:
        return tls.CLIENT_ALPN_HTTP2
    if given.sniffed:
        return tls.CLIENT_ALPN_SNIFFED
    return tls.CLIENT_ALPN_HTTP1 if given.port.protocol.is_http else tls.CLIENT_ALPN_TCP


def _announce(cluster: Any, settings: TrafficPolicy.ProxyProtocol) -> None:
    """Say first who the caller is, by the PROXY protocol, whatever comes after."""
    version = ProxyProtocolConfig.V2 if settings.version == TrafficPolicy.ProxyProtocol.V2 else ProxyProtocolConfig.V1
    for match in cluster.transport_socket_matches:
        match.transport_socket.CopyFrom(_announcing(match.transport_socket, version))
    if not cluster.transport_socket_matches:
        inner = cluster.transport_socket if cluster.HasField("transport_socket") else tls.raw_buffer()
        cluster.transport_socket.CopyFrom(_announcing(inner, version))


def _announcing(inner: TransportSocket, version: Any) -> TransportSocket:
    config = ProxyProtocolConfig(version=version)
    transport = ProxyProtocolUpstreamTransport(config=config, transport_socket=inner)
    return typed(TransportSocket, _PROXY_PROTOCOL, transport)


def _struct(fields: dict[str, str]) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct
