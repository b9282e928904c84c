"""What a gateway's server shows to its clients, and what it asks of them."""

from typing import Any

from envoy.config.core.v3.base_pb2 import TransportSocket
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsParameters,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext, DownstreamTlsContext
from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile.guard import Fault, fault
from flotilla_pilot.compile.names import outbound_cluster
from flotilla_pilot.compile.packing import typed
from flotilla_pilot.compile.sources import foreign_sds
from flotilla_pilot.compile.tls import (
    AUTHORITY,
    CURVES,
    FOREIGN_SECRET_WAIT,
    IDENTITY,
    SERVER_ALPN_HTTP,
    TLS_SOCKET,
    credential,
    known_suites,
    mesh_server,
    san,
    secret,
    validate,
)
from flotilla_pilot.model.mesh import MeshOptions, SecretProvider
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.networking.v1alpha3.gateway_pb2 import ServerTLSSettings

_PROTOCOLS = {
    ServerTLSSettings.TLSV1_0: TlsParameters.TLSv1_0,
    ServerTLSSettings.TLSV1_1: TlsParameters.TLSv1_1,
    ServerTLSSettings.TLSV1_2: TlsParameters.TLSv1_2,
    ServerTLSSettings.TLSV1_3: TlsParameters.TLSv1_3,
}
_LEAST = {
    MeshConfig.TLSConfig.TLSV1_2: TlsParameters.TLSv1_2,
    MeshConfig.TLSConfig.TLSV1_3: TlsParameters.TLSv1_3,
}
_ENVOYS_LEAST = TlsParameters.TLSv1_2
_CERTIFICATES = 2
"""How many certificates a server may show, as in Istio: one for RSA, one for ECDSA."""
_FOREIGN = "sds://"
"""Before the name of a secret that the mesh's provider of secrets has."""


def gateway_server(settings: ServerTLSSettings, mesh: MeshOptions) -> Any:
    """The server's side of TLS; ISTIO_MUTUAL is the mesh's own, and so is what names no certificate."""
    if settings.mode == ServerTLSSettings.ISTIO_MUTUAL:
        return mesh_server(mesh, SERVER_ALPN_HTTP)
    common = CommonTlsContext(alpn_protocols=SERVER_ALPN_HTTP)
    _set_parameters(common, settings, mesh.tls_defaults)
    for name in _certificates(settings):
        wait = 0 if name == IDENTITY else FOREIGN_SECRET_WAIT
        common.tls_certificate_sds_secret_configs.append(_from_provider(name, mesh) or secret(name, wait))
    if settings.mode in (ServerTLSSettings.MUTUAL, ServerTLSSettings.OPTIONAL_MUTUAL):
        _ask(common, settings, mesh)
    context = DownstreamTlsContext(
        require_client_certificate=BoolValue(value=settings.mode == ServerTLSSettings.MUTUAL),
        common_tls_context=common,
    )
    return typed(TransportSocket, TLS_SOCKET, context)


def socket_fault(socket: Any) -> Fault | None:
    """What of the settings Envoy would refuse, such as a pin that is no digest: no pin fewer may be asked for."""
    return fault(socket)


def provider_asked(settings: ServerTLSSettings, mesh: MeshOptions) -> SecretProvider | None:
    """The provider of secrets that a server gets its certificates from; None where the proxy's agent has them."""
    asked = any(_from_provider(name, mesh) for name in (*_certificates(settings), _authority(settings)))
    return mesh.secret_provider if asked else None


def _from_provider(name: str, mesh: MeshOptions) -> SdsSecretConfig | None:
    if mesh.secret_provider is None or not name.startswith(_FOREIGN):
        return None
    host, port = mesh.secret_provider
    source = foreign_sds(outbound_cluster(port, "", host), host)
    return SdsSecretConfig(name=name.removeprefix(_FOREIGN), sds_config=source)


def _ask(common: CommonTlsContext, settings: ServerTLSSettings, mesh: MeshOptions) -> None:
    """The client's certificate: of whom, in whose name, or which one it must be."""
    matchers = [san(exact=each, kind=SubjectAltNameMatcher.DNS) for each in settings.subject_alt_names]
    validate(common, _authority(settings), matchers, FOREIGN_SECRET_WAIT)
    foreign = _from_provider(_authority(settings), mesh)
    if foreign is not None:
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(foreign)
    asked = common.combined_validation_context.default_validation_context
    asked.verify_certificate_spki.extend(settings.verify_certificate_spki)
    asked.verify_certificate_hash.extend(settings.verify_certificate_hash)
    if settings.insecure_skip_verify.value:
        asked.trust_chain_verification = CertificateValidationContext.ACCEPT_UNTRUSTED


def _certificates(settings: ServerTLSSettings) -> list[str]:
    named = list(settings.credential_names) or [name for name in (settings.credential_name,) if name]
    if named:
        return [credential(name) for name in named[:_CERTIFICATES]]
    files = [each for each in settings.tls_certificates if each.server_certificate]
    if files:
        return [f"file-cert:{each.server_certificate}~{each.private_key}" for each in files[:_CERTIFICATES]]
    if settings.server_certificate:
        return [f"file-cert:{settings.server_certificate}~{settings.private_key}"]
    return [IDENTITY]


def _authority(settings: ServerTLSSettings) -> str:
    if settings.ca_cert_credential_name:
        return credential(settings.ca_cert_credential_name.removesuffix(AUTHORITY) + AUTHORITY)
    named = settings.credential_name or next(iter(settings.credential_names), "")
    if named:
        return f"{credential(named)}{AUTHORITY}"
    # The agent reads a list of what is revoked too: Envoy would refuse the listener for a file that is not there.
    return f"file-root:{settings.ca_certificates}" + (f"~{settings.ca_crl}" if settings.ca_crl else "")


def _set_parameters(common: CommonTlsContext, settings: ServerTLSSettings, default: MeshConfig.TLSConfig) -> None:
    """Versions and suites as the server states them, else as the mesh does; else they are Envoy's own."""
    parameters = TlsParameters(cipher_suites=known_suites(settings.cipher_suites or default.cipher_suites))
    least = _PROTOCOLS.get(settings.min_protocol_version) or _LEAST.get(default.min_protocol_version)
    most = _PROTOCOLS.get(settings.max_protocol_version)
    if least is not None:
        parameters.tls_minimum_protocol_version = least
    if most is not None:
        parameters.tls_maximum_protocol_version = max(most, least or _ENVOYS_LEAST)
    parameters.ecdh_curves.extend(each for each in default.ecdh_curves if each in CURVES)
    if parameters.ListFields():
        common.tls_params.CopyFrom(parameters)
