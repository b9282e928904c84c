"""Which Redis, and how its address is read: what is known before anything is connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla_mixer.adapters.redisquota.limits import MICROSECONDS, microseconds

DEFAULT_PORT, SENTINEL_PORT = 6379, 26379
CONNECTIONS = 2  # to each server; each asks many calls at once

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class SharedRedis:
    """The Redis of handlers that name none, as Mixer's settings say. Its login is for its address alone: a handler that
    names another Redis must not lead the password there.
    """

    address: str = ""
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""

    def login(self, params: Any) -> Any:
        """The parameters, with this login where they lead here and have none of their own."""
        if (
            not self.address
            or params.redis_server_url != self.address
            or params.password_file
            or params.HasField("tls")
            or params.HasField("sentinel")
            or params.HasField("cluster")
        ):
            return params
        found = type(params)()
        found.CopyFrom(params)
        found.username, found.password_file = self.username, self.password_file
        if self.tls:
            found.tls.SetInParent()
            found.tls.ca_file = self.ca_file
        return found


class AddressError(ValueError):
    """The text is no address of a Redis."""


def address_of(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Host and port of `host`, `host:port` or `[v6]:port`. Raises AddressError, which never repeats what may be a secret."""
    if "@" in text:
        raise AddressError("it must not hold a name or a password: username and passwordFile are for these")
    if "/" in text:
        raise AddressError(f"{text!r} is a URL, and host:port is wanted; TLS and the database have fields of their own")
    host, separator, port = text.rpartition(":")
    if text.endswith("]") or not separator:
        host, port = text, str(default_port)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(f"{text!r} is an IPv6 address without brackets: [address]:port is wanted")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise AddressError(f"{text!r} is no host:port")
    return host, int(port)


def seconds(duration: Any) -> float:
    """Of a google.protobuf.Duration."""
    return microseconds(duration) / MICROSECONDS
