"""The connection of one handler to its backend."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc

from flotilla_mixer.adapters.remote.mutual import MutualRelay
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.remote import Backend, MutualAuthentication, TlsAuthentication

Option = tuple[str, int | str]
LARGEST_REPLY = 4 * 1024 * 1024
PUBLIC_ROOTS = Path("/etc/ssl/certs/ca-certificates.crt")
_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
OPTIONS: tuple[Option, ...] = (
    ("grpc.service_config", _ROUND_ROBIN),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", LARGEST_REPLY),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # so long may the making of a connection take
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # No more pings than servers allow by default; and what is not acknowledged for ten seconds ends the connection.
    ("grpc.keepalive_time_ms", 300_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


Close = Callable[[], None]


def open_backend(backend: Backend, environment: Environment) -> tuple[grpc.aio.Channel, Close]:
    """A channel to a backend, and what gives up that which is behind it; nothing is dialled yet. The caller closes
    both, the channel first. Raises ValueError where a file of its authentication cannot be read.
    """
    authentication = backend.authentication
    if authentication is None:
        return grpc.aio.insecure_channel(backend.address, options=OPTIONS), _nothing
    if isinstance(authentication, MutualAuthentication):
        relay = MutualRelay(backend.address, authentication)
        environment.spawn(relay.run(environment), "mutual TLS")
        authority: Option = ("grpc.default_authority", authentication.server_name or relay.host)
        return grpc.aio.insecure_channel(f"unix:{relay.path}", options=(*OPTIONS, authority)), relay.close
    return _tls_channel(backend.address, authentication), _nothing


def _nothing() -> None:
    pass


def _tls_channel(address: str, authentication: TlsAuthentication) -> grpc.aio.Channel:
    named: tuple[Option, ...] = ()
    if authentication.server_name:
        named = (("grpc.ssl_target_name_override", authentication.server_name),)
    credentials = grpc.ssl_channel_credentials(root_certificates(authentication.ca_file))
    return grpc.aio.secure_channel(address, credentials, options=(*OPTIONS, *named))


def root_certificates(ca_file: str) -> bytes:
    """The public roots of this machine and those of a file. Raises ValueError."""
    found = [PUBLIC_ROOTS.read_bytes()] if PUBLIC_ROOTS.exists() else []
    if ca_file:
        found.append(_own_roots(ca_file))
    if not found:
        raise ValueError("there are no root certificates: name a file in caCertificates")
    return b"\n".join(found)


def _own_roots(ca_file: str) -> bytes:
    try:
        content = Path(ca_file).read_bytes()
        ssl.create_default_context(cadata=content.decode("ascii"))
    except (OSError, ValueError, ssl.SSLError) as error:
        raise ValueError(f"the certificates in {ca_file} cannot be used: {error}") from error
    return content
