"""Real certificates for the applications and clients that are not of the mesh."""

from __future__ import annotations

import ssl
from pathlib import Path

from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.testing.certificates import CertificateAuthorityForTests


def certified(authority: CertificateAuthorityForTests, name: str, *dns_names: str) -> Certificate:
    """A certificate of `authority` for somebody outside the mesh."""
    return authority.certificate(f"spiffe://outside/{name}", dns_names)


def server_context(
    folder: Path, own: Certificate, clients: CertificateAuthorityForTests | None = None
) -> ssl.SSLContext:
    """A server that shows `own`; with `clients` it asks for a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _show(context, folder, own)
    context.sni_callback = _note_name
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.root_pem)
    return context


def client_context(
    folder: Path, servers: CertificateAuthorityForTests, own: Certificate | None = None
) -> ssl.SSLContext:
    """A client that takes servers of `servers` only, and shows `own`. Their names are not compared."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=servers.root_pem)
    if own is not None:
        _show(context, folder, own)
    return context


def _note_name(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    connection.asked_for = name or ""


def _show(context: ssl.SSLContext, folder: Path, own: Certificate) -> None:
    """Python takes a certificate from a file only."""
    file = folder / "shown.pem"
    file.touch(0o600)
    file.write_bytes(own.key_pem + own.chain_pem)
    context.load_cert_chain(file)
    file.unlink()
