"""Transport sockets: mutual TLS of the mesh, TLS to the outside, TLS at gateways."""

from collections.abc import Iterable
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
from flotilla_pilot.model.cluster_defaults import ClusterDefaults
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.registry import is_ip
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ClientTLSSettings

TLS_SOCKET = "envoy.transport_sockets.tls"
IDENTITY = "default"
ROOTS = "ROOTCA"
SYSTEM_ROOTS = "file-root:system"
AUTHORITY = "-cacert"
"""Ends the name of a secret that has the authorities which belong to another's certificate."""

ISTIO_ALPN = ("istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2")
ISTIO_HTTP_ALPN = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
CLIENT_ALPN_HTTP1 = ("istio-http/1.1", "istio", "http/1.1")
CLIENT_ALPN_HTTP2 = ("istio-h2", "istio", "h2")
CLIENT_ALPN_TCP = ("istio",)
CLIENT_ALPN_SNIFFED = ("istio-http/1.1", "istio")
"""HTTP of either version: none of these is one that a server picks, so it looks at the first bytes."""
SERVER_ALPN_HTTP = ("h2", "http/1.1")

MESH_CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
"""What the mesh's servers take of TLS 1.2 where the mesh configuration says nothing else."""

CIPHER_SUITES = frozenset(
    f"{exchange}{cipher}"
    for exchange in ("ECDHE-ECDSA-", "ECDHE-RSA-", "")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA")
) | {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"}
"""The suites that Envoy knows by name; one that it does not know would lose the whole listener."""

CURVES = frozenset(("P-256", "P-384", "P-521", "X25519", "X25519MLKEM768"))

FOREIGN_SECRET_WAIT = 5
"""Seconds to wait for a secret that the agent may not have: without it calls fail, but nothing else waits."""


def raw_buffer() -> TransportSocket:
    return typed(TransportSocket, "envoy.transport_sockets.raw_buffer", RawBuffer())


def mesh_client(sni: str, identities: Iterable[str], alpn: Iterable[str]) -> Any:
    """A caller's side: the server must be one of `identities`; where none is known, anybody of the mesh."""
    matchers = [san(exact=each, kind=kind_of(each)) for each in identities]
    return typed(TransportSocket, TLS_SOCKET, UpstreamTlsContext(sni=sni, common_tls_context=_mesh(matchers, alpn)))


def mesh_server(mesh: MeshOptions, alpn: Iterable[str]) -> Any:
    """A workload's side: the caller must show a certificate of a trust domain."""
    context = DownstreamTlsContext(
        require_client_certificate=BoolValue(value=True),
        common_tls_context=_mesh(_trust_domain_sans(mesh.trust_domains), alpn),
    )
    parameters = context.common_tls_context.tls_params
    if mesh.mesh_tls.min_protocol_version == MeshConfig.TLSConfig.TLSV1_3:
        parameters.tls_minimum_protocol_version = TlsParameters.TLSv1_3
    parameters.cipher_suites.extend(known_suites(mesh.mesh_tls.cipher_suites) or MESH_CIPHERS)
    return typed(TransportSocket, TLS_SOCKET, context)


def outside_client(
    settings: ClientTLSSettings, names: Iterable[str], defaults: ClusterDefaults, alpn: Iterable[str]
) -> Any:
    """SIMPLE or MUTUAL TLS, with a server whose certificate has one of `names` if there are any.

    Certificates and roots come from the agent under Istio's names (`file-cert:`, `file-root:`, `kubernetes://`), never
    as paths: Envoy refuses a whole cluster for a file that is not there.
    """
    common = CommonTlsContext(alpn_protocols=alpn, tls_params=modern())
    common.tls_params.ecdh_curves.extend(defaults.curves)
    common.tls_params.cipher_suites.extend(defaults.cipher_suites)
    if settings.mode == ClientTLSSettings.MUTUAL:
        name = credential(settings.credential_name) or f"file-cert:{settings.client_certificate}~{settings.private_key}"
        common.tls_certificate_sds_secret_configs.append(secret(name, _wait(settings)))
    if not settings.insecure_skip_verify.value:
        _verify(common, settings, names)
    elif not settings.credential_name:
        common.validation_context.SetInParent()
    context = UpstreamTlsContext(sni=settings.sni, common_tls_context=common)
    return typed(TransportSocket, TLS_SOCKET, context)


def _verify(common: CommonTlsContext, settings: ClientTLSSettings, names: Iterable[str]) -> None:
    """By the authorities named, or the system's."""
    roots = f"file-root:{settings.ca_certificates}" if settings.ca_certificates else SYSTEM_ROOTS
    if settings.credential_name:
        roots = f"{credential(settings.credential_name)}{AUTHORITY}"
    combined = common.combined_validation_context
    matchers = [san(exact=each, kind=kind_of(each)) for each in names]
    combined.default_validation_context.match_typed_subject_alt_names.extend(matchers)
    if settings.ca_crl:
        combined.default_validation_context.crl.filename = settings.ca_crl
    combined.validation_context_sds_secret_config.CopyFrom(secret(roots, _wait(settings)))


def _wait(settings: ClientTLSSettings) -> int | None:
    return FOREIGN_SECRET_WAIT if settings.credential_name else None


def kind_of(name: str) -> Any:
    """Of which of the kinds that certificates know a name is, as its form says."""
    if "://" in name:
        return SubjectAltNameMatcher.URI
    if "@" in name:
        return SubjectAltNameMatcher.EMAIL
    return SubjectAltNameMatcher.IP_ADDRESS if is_ip(name) else SubjectAltNameMatcher.DNS


def credential(name: str) -> str:
    """The name under which the agent knows a Secret; empty for none."""
    return name if "://" in name or not name else f"kubernetes://{name}"


def _mesh(matchers: Iterable[Any], alpn: Iterable[str]) -> CommonTlsContext:
    common = CommonTlsContext(alpn_protocols=alpn, tls_params=modern())
    common.tls_certificate_sds_secret_configs.append(secret(IDENTITY))
    validate(common, ROOTS, matchers)
    return common


def validate(common: CommonTlsContext, roots: str, matchers: Iterable[Any], wait_seconds: int = 0) -> None:
    combined = common.combined_validation_context
    combined.default_validation_context.CopyFrom(CertificateValidationContext(match_typed_subject_alt_names=matchers))
    combined.validation_context_sds_secret_config.CopyFrom(secret(roots, wait_seconds))


def secret(name: str, wait_seconds: int | None = 0) -> SdsSecretConfig:
    return SdsSecretConfig(name=name, sds_config=sds(wait_seconds))


def known_suites(names: Iterable[str]) -> list[str]:
    return [each for each in names if each in CIPHER_SUITES]


def modern() -> TlsParameters:
    return TlsParameters(
        tls_minimum_protocol_version=TlsParameters.TLSv1_2, tls_maximum_protocol_version=TlsParameters.TLSv1_3
    )


def _trust_domain_sans(trust_domains: Iterable[str]) -> list[Any]:
    return [san(prefix=f"spiffe://{each}/") for each in trust_domains]


def san(exact: str = "", prefix: str = "", kind: int = SubjectAltNameMatcher.URI) -> SubjectAltNameMatcher:
    matcher = StringMatcher(exact=exact) if exact else StringMatcher(prefix=prefix)
    return SubjectAltNameMatcher(san_type=kind, matcher=matcher)
