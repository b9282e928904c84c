"""Who is at the other end of a call, whatever ended its TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from flotilla_shared.runtime.identity import uri_of


@dataclass(frozen=True, slots=True)
class Peer:
    """`address` is `ip:port` (or empty for a local socket); `identity` is the verified certificate's URI name."""

    address: str
    certificate_der: bytes | None = None
    identity: str | None = None

    @property
    def ip(self) -> str:
        return self.address.rpartition(":")[0].strip("[]")


NOBODY = Peer("")

# Peers of connections that a relay brought, by the Unix path to which the relay bound its own end.
_relayed: dict[str, Peer] = {}
# Who knows the peers of the paths in a folder: a front for each.
_asked: dict[str, Callable[[str], Peer | None]] = {}


def remember(path: str, peer: Peer) -> None:
    """For the relay: this path is this peer, until `forget`."""
    _relayed[path] = peer


def forget(path: str) -> None:
    _relayed.pop(path, None)


def ask_in(folder: Path, who: Callable[[str], Peer | None]) -> None:
    """For a front: it knows the peers of the paths in this folder, until `ask_no_more`."""
    _asked[str(folder)] = who


def ask_no_more(folder: Path) -> None:
    _asked.pop(str(folder), None)


def _at(path: str) -> Peer:
    """The peer behind a Unix path; NOBODY for a local caller."""
    found = _relayed.get(path)
    if found is None and (who := _asked.get(path.rpartition("/")[0])) is not None:
        found = who(path)
    return found or NOBODY


def peer_of(context: Any) -> Peer:
    """The peer of a call, from its `grpc.aio.ServicerContext`. Any kind of port; never raises."""
    kind, _, where = str(context.peer() or "").partition(":")
    if kind == "unix":
        return _at(unquote(where))
    address = unquote(where) if kind in ("ipv4", "ipv6") else ""
    pem = (context.auth_context() or {}).get("x509_pem_cert")
    if not pem:
        return Peer(address)
    return Peer(address, *_read(bytes(pem[0])))


@lru_cache(maxsize=4096)
def _read(pem: bytes) -> tuple[bytes, str | None]:
    """A certificate's DER and its URI name. A connection shows the same one with every call."""
    certificate = x509.load_pem_x509_certificate(pem)
    return certificate.public_bytes(Encoding.DER), uri_of(certificate)


def caller_identity(context: Any) -> str | None:
    """The identity in the peer's verified certificate, or None."""
    return peer_of(context).identity


def peer_of_transport(address: Any, certificate_der: bytes | None) -> Peer:
    """The peer of a TLS connection that Python ended: its socket name and verified certificate."""
    host, port = address[0], address[1]
    shown = f"[{host}]:{port}" if ipaddress.ip_address(host).version == 6 else f"{host}:{port}"
    return peer_of_address(shown, certificate_der)


def peer_of_address(address: str, certificate_der: bytes | None) -> Peer:
    """The peer of a connection at `ip:port`, with the certificate that was verified."""
    if certificate_der is None:
        return Peer(address)
    return Peer(address, certificate_der, uri_of(x509.load_der_x509_certificate(certificate_der)))
