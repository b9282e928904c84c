"""TLS on both sides, always with the current certificate, TLS 1.2 or newer."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Generator, Sequence

import grpc

from flotilla_shared.runtime.identity import Certificate, IdentitySource

ALPN = ("h2",)
Option = tuple[str, int | str]

# Long streams: notice a peer that is gone, and let ours be noticed.
KEEPALIVE: tuple[Option, ...] = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
MESSAGE_BYTES = 256 * 1024 * 1024


def server_credentials(identity: IdentitySource) -> grpc.ServerCredentials:
    """For a port that always needs a client certificate of the mesh's root. Each handshake sees the newest.

    `identity.current` must be there; it is read at every handshake, from gRPC's threads.
    """
    first = identity.current
    if first is None:
        raise RuntimeError("server credentials need a certificate: wait for the identity first")
    offered = [first]

    def newest() -> grpc.ServerCertificateConfiguration | None:
        current = identity.current
        if current is None or current is offered[0]:
            return None
        offered[0] = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(first),
        newest,  # type: ignore[arg-type]  # None means "as before", which the stubs do not know
        require_client_authentication=True,
    )


def _configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    pair = (certificate.key_pem, certificate.chain_pem)
    return grpc.ssl_server_certificate_configuration([pair], certificate.root_pem)


def open_channel(
    address: str, server_name: str, certificate: Certificate, options: Sequence[Option] = ()
) -> grpc.aio.Channel:
    """A channel with mTLS to a service of the mesh, whose certificate must carry the DNS name `server_name`.

    A renewed certificate needs a new channel. The caller closes it.
    """
    credentials = grpc.ssl_channel_credentials(certificate.root_pem, certificate.key_pem, certificate.chain_pem)
    base: tuple[Option, ...] = (
        ("grpc.ssl_target_name_override", server_name),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        # One connection a channel: a shared one would outlive the certificate it was opened with.
        ("grpc.use_local_subchannel_pool", 1),
    )
    return grpc.aio.secure_channel(address, credentials, options=(*base, *KEEPALIVE, *options))


def server_context(certificate: Certificate) -> ssl.SSLContext:
    """For a port that takes a client certificate or none: HTTP/2 only, the mesh's root and nobody else's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(list(ALPN))
    context.load_verify_locations(cadata=certificate.root_pem.decode())
    with memory_file(certificate.chain_pem) as chain, memory_file(certificate.key_pem) as key:
        context.load_cert_chain(chain, key)
    return context


@contextlib.contextmanager
def memory_file(content: bytes) -> Generator[str]:
    """A path under which bytes can be opened that are on no disk: `ssl` takes keys from files alone."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
