"""`connection` of a handler: where its backend is, and how both show who they are (mixer.md 4.1, 6.3)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from flotilla_mixer.kit.remote import Backend, MutualAuthentication, OAuth, TlsAuthentication, target_of

NANOSECONDS = 1_000_000_000
_HEADER = re.compile(r"[a-z0-9_.-]+\Z")


class ConnectionFault(ValueError):
    """Something of a connection at `path` is wrong; the text is half a sentence."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(text)
        self.path = f"spec.connection.{path}"


def read_connection(handler: str, spec: Any, config: bytes, session_based: bool) -> Backend:
    """The backend of a handler's spec. Raises ConnectionFault."""
    connection = spec.connection
    return Backend(
        handler=handler,
        address=_target(connection.address),
        timeout=_timeout(connection.timeout),
        authentication=_authentication(connection.authentication),
        config=config,
        session_based=session_based,
    )


def _target(address: str) -> str:
    try:
        return target_of(address)
    except ValueError as error:
        raise ConnectionFault("address", str(error)) from error


def _timeout(duration: Any) -> float:
    seconds = float(duration.seconds + duration.nanos / NANOSECONDS)
    if seconds < 0:
        raise ConnectionFault("timeout", f"a time must not be negative, and this is {seconds:g} s")
    return seconds


def _authentication(authentication: Any) -> TlsAuthentication | MutualAuthentication | None:
    kind = authentication.WhichOneof("auth_type")
    if kind == "tls":
        return _tls(authentication.tls)
    return _mutual(authentication.mutual) if kind == "mutual" else None


def _mutual(mutual: Any) -> MutualAuthentication:
    path = "authentication.mutual"
    for field, name in (("private_key", "privateKey"), ("client_certificate", "clientCertificate")):
        if not getattr(mutual, field):
            raise ConnectionFault(f"{path}.{name}", "it must name a file")
    return MutualAuthentication(
        mutual.private_key, mutual.client_certificate, mutual.ca_certificates, mutual.server_name
    )


def _tls(tls: Any) -> TlsAuthentication:
    path = "authentication.tls"
    source = tls.WhichOneof("token_source")
    if source is None:
        raise ConnectionFault(path, "TLS needs a token with it: tokenPath or oauth")
    if source == "token_path" and not tls.token_path:
        raise ConnectionFault(f"{path}.tokenPath", "it must name a file")
    header, prefix = _header(tls, path, source)
    return TlsAuthentication(
        ca_file=tls.ca_certificates,
        server_name=tls.server_name,
        token_file=tls.token_path,
        oauth=_oauth(tls.oauth, f"{path}.oauth") if source == "oauth" else None,
        header=header,
        prefix=prefix,
    )


def _header(tls: Any, path: str, source: str) -> tuple[str, str]:
    """The header with the token, and what stands before the token. What an OAuth server gives is a bearer token."""
    kind = tls.WhichOneof("token_type")
    if kind == "custom_header":
        name = tls.custom_header.lower()
        if not _HEADER.match(name) or name.endswith("-bin"):
            raise ConnectionFault(f"{path}.customHeader", f"{tls.custom_header!r} is no name of a header of text")
        return name, ""
    if kind is None and source == "token_path":
        raise ConnectionFault(path, "it must say how the token is sent: authHeader PLAIN or BEARER, or customHeader")
    bearer = source == "oauth" or tls.auth_header == type(tls).BEARER
    return "authorization", "Bearer " if bearer else ""


def _oauth(oauth: Any, path: str) -> OAuth:
    if not oauth.client_secret:
        raise ConnectionFault(f"{path}.clientSecret", "it must name the file of the secret")
    url = urlsplit(oauth.token_url)
    if url.scheme not in ("https", "http") or not url.hostname:
        raise ConnectionFault(f"{path}.tokenUrl", f"{oauth.token_url!r} is no URL with a host")
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise ConnectionFault(f"{path}.tokenUrl", "a secret does not travel in plaintext; it must begin with https")
    return OAuth(
        oauth.client_id,
        oauth.client_secret,
        oauth.token_url,
        tuple(oauth.scopes),
        tuple(sorted(oauth.endpoint_params.items())),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
