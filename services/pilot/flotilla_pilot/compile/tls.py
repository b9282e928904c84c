"""Transport sockets: mutual TLS of the mesh, TLS to the outside, TLS at gateways."""

from collections.abc import Iterable, Sequence
from typing import Any

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsParameters,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import (
    CommonTlsContext,
    DownstreamTlsContext,
    UpstreamTlsContext,
)
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile.packing import typed
from flotilla_pilot.compile.sources import sds
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings

TLS_SOCKET = "envoy.transport_sockets.tls"
IDENTITY = "default"
ROOTS = "ROOTCA"
SYSTEM_ROOTS = "file-root:system"

ISTIO_ALPN = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
ISTIO_HTTP_ALPN = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
CLIENT_ALPN_HTTP1 = ("istio-http/1.1", "istio", "http/1.1")
CLIENT_ALPN_HTTP2 = ("istio-h2", "istio", "h2")
CLIENT_ALPN_TCP = ("istio",)
CLIENT_ALPN_SNIFFED = ("istio-http/1.1", "istio")
"""HTTP of either version: none of these is one that a server picks, so it looks at the first bytes."""
SERVER_ALPN_HTTP = ("h2", "http/1.1")

CIPHER_SUITES = frozenset(
    f"{exchange}{cipher}"
    for exchange in ("ECDHE-ECDSA-", "ECDHE-RSA-", "")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA")
) | {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"}
"""The suites that Envoy knows by name; one that it does not know would lose the whole listener."""

_FOREIGN_SECRET_WAIT = 5
"""Seconds to wait for a secret that the agent may not have: without it calls fail, but nothing else waits."""

_PROTOCOLS = {
    ServerTLSSettings.TLSV1_0: TlsParameters.TLSv1_0,
    ServerTLSSettings.TLSV1_1: TlsParameters.TLSv1_1,
    ServerTLSSettings.TLSV1_2: TlsParameters.TLSv1_2,
    ServerTLSSettings.TLSV1_3: TlsParameters.TLSv1_3,
}


def raw_buffer() -> TransportSocket:
    return typed(TransportSocket, "envoy.transport_sockets.raw_buffer", RawBuffer())


def mesh_client(sni: str, identities: Sequence[str], trust_domains: Iterable[str], alpn: Iterable[str]) -> Any:
    """A caller's side: the server must be one of `identities`, or where none is known, of a trust domain."""
    matchers = [_san(exact=each) for each in identities] or _trust_domain_sans(trust_domains)
    return typed(TransportSocket, TLS_SOCKET, UpstreamTlsContext(sni=sni, common_tls_context=_mesh(matchers, alpn)))


def mesh_server(trust_domains: Iterable[str], alpn: Iterable[str]) -> Any:
    """A workload's side: the caller must show a certificate of a trust domain."""
    context = DownstreamTlsContext(
        require_client_certificate=BoolValue(value=True),
        common_tls_context=_mesh(_trust_domain_sans(trust_domains), alpn),
    )
    return typed(TransportSocket, TLS_SOCKET, context)


def outside_client(settings: ClientTLSSettings, host: str, alpn: Iterable[str]) -> Any:
    """SIMPLE or MUTUAL TLS that a DestinationRule asks for.

    Certificates and roots come from the agent under Istio's names (`file-cert:`, `file-root:`), never as
    paths: Envoy refuses a whole cluster for a file that is not there.
    """
    common = CommonTlsContext(alpn_protocols=alpn, tls_params=_modern())
    sni = settings.sni or ("" if "*" in host else host)
    if not settings.insecure_skip_verify.value:
        roots = f"file-root:{settings.ca_certificates}" if settings.ca_certificates else SYSTEM_ROOTS
        names = list(settings.subject_alt_names) or ([sni] if sni else [])
        matchers = [_san(exact=each, kind=SubjectAltNameMatcher.DNS) for each in names]
        _validate(common, roots, matchers, _FOREIGN_SECRET_WAIT)
    if settings.mode == ClientTLSSettings.MUTUAL:
        name = settings.credential_name or f"file-cert:{settings.client_certificate}~{settings.private_key}"
        common.tls_certificate_sds_secret_configs.append(_secret(name, _FOREIGN_SECRET_WAIT))
    context = UpstreamTlsContext(sni=sni, common_tls_context=common)
    return typed(TransportSocket, TLS_SOCKET, context)


def gateway_server(settings: ServerTLSSettings, trust_domains: Iterable[str]) -> Any:
    """What a gateway shows to its clients; ISTIO_MUTUAL is the mesh's own."""
    if settings.mode == ServerTLSSettings.ISTIO_MUTUAL:
        return mesh_server(trust_domains, SERVER_ALPN_HTTP)
    common = CommonTlsContext(alpn_protocols=SERVER_ALPN_HTTP, tls_params=_parameters(settings))
    common.tls_certificate_sds_secret_configs.append(_secret(_certificate_name(settings), _FOREIGN_SECRET_WAIT))
    mutual = settings.mode in (ServerTLSSettings.MUTUAL, ServerTLSSettings.OPTIONAL_MUTUAL)
    if mutual:
        matchers = [_san(exact=each, kind=SubjectAltNameMatcher.DNS) for each in settings.subject_alt_names]
        _validate(common, _authority_name(settings), matchers, _FOREIGN_SECRET_WAIT)
    context = DownstreamTlsContext(
        require_client_certificate=BoolValue(value=settings.mode == ServerTLSSettings.MUTUAL),
        common_tls_context=common,
    )
    return typed(TransportSocket, TLS_SOCKET, context)


def _certificate_name(settings: ServerTLSSettings) -> str:
    if settings.credential_name:
        return f"kubernetes://{settings.credential_name}"
    return f"file-cert:{settings.server_certificate}~{settings.private_key}"


def _authority_name(settings: ServerTLSSettings) -> str:
    if settings.credential_name:
        return f"kubernetes://{settings.credential_name}-cacert"
    return f"file-root:{settings.ca_certificates}"


def _mesh(matchers: Iterable[Any], alpn: Iterable[str]) -> CommonTlsContext:
    common = CommonTlsContext(alpn_protocols=alpn, tls_params=_modern())
    common.tls_certificate_sds_secret_configs.append(_secret(IDENTITY))
    _validate(common, ROOTS, matchers)
    return common


def _validate(common: CommonTlsContext, roots: str, matchers: Iterable[Any], wait_seconds: int = 0) -> None:
    combined = common.combined_validation_context
    combined.default_validation_context.CopyFrom(CertificateValidationContext(match_typed_subject_alt_names=matchers))
    combined.validation_context_sds_secret_config.CopyFrom(_secret(roots, wait_seconds))


def _secret(name: str, wait_seconds: int = 0) -> SdsSecretConfig:
    return SdsSecretConfig(name=name, sds_config=sds(wait_seconds))


def _modern() -> TlsParameters:
    return TlsParameters(
        tls_minimum_protocol_version=TlsParameters.TLSv1_2, tls_maximum_protocol_version=TlsParameters.TLSv1_3
    )


def _parameters(settings: ServerTLSSettings) -> TlsParameters:
    parameters = _modern()
    if settings.min_protocol_version in _PROTOCOLS:
        parameters.tls_minimum_protocol_version = _PROTOCOLS[settings.min_protocol_version]
    if settings.max_protocol_version in _PROTOCOLS:
        parameters.tls_maximum_protocol_version = _PROTOCOLS[settings.max_protocol_version]
    if parameters.tls_maximum_protocol_version < parameters.tls_minimum_protocol_version:
        parameters.tls_maximum_protocol_version = parameters.tls_minimum_protocol_version
    parameters.cipher_suites.extend(each for each in settings.cipher_suites if each in CIPHER_SUITES)
    return parameters


def _trust_domain_sans(trust_domains: Iterable[str]) -> list[Any]:
    return [_san(prefix=f"spiffe://{each}/") for each in trust_domains]


def _san(exact: str = "", prefix: str = "", kind: int = SubjectAltNameMatcher.URI) -> SubjectAltNameMatcher:
    matcher = StringMatcher(exact=exact) if exact else StringMatcher(prefix=prefix)
    return SubjectAltNameMatcher(san_type=kind, matcher=matcher)
