"""What a handler's parameters are made into: servers, and how to speak to them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from flotilla_mixer.adapters.fluentd.handshake import Credentials
from flotilla_mixer.kit.datagrams import host_and_port
from flotilla_mixer.kit.secrets import SecretError, SecretFile

LOCAL = "localhost"
NO_PORT = -1


@dataclass(frozen=True, slots=True)
class Server:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def server_of(text: str) -> Server:
    """Of `host:port`, or `:port` of this machine, as Go reads it, port 0 too, as 1.4 did. Raises ValueError."""
    host, port = host_and_port(f"{LOCAL}{text}" if text.startswith(":") else text, NO_PORT)
    if port == NO_PORT:
        raise ValueError(f"{text!r} has no port")
    return Server(host, port)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Names of files in PEM, empty where there is none."""

    ca: str
    certificate: str
    key: str
    server_name: str

    def context(self) -> ssl.SSLContext:
        """Of the files as they are now. Raises SecretError, with their names, for what cannot be read."""
        named = self.ca
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate:
                named = f"{self.certificate} with {self.key}"
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:  # of which ssl.SSLError is one
            raise SecretError(f"{named or 'the list of authorities'} cannot be read: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """`servers` are in the order of preference. `try_seconds` is the longest that one try of a batch may take, all of it."""

    servers: tuple[Server, ...]
    try_seconds: float
    acknowledged: bool
    compressed: bool
    hostname: str
    tls: TlsFiles | None = None
    shared_key: SecretFile | None = None
    username: str = ""
    password: SecretFile | None = None

    def credentials(self) -> Credentials | None:
        """As the files are now; None without a shared key. Raises SecretError."""
        if self.shared_key is None:
            return None
        password = self.password.read() if self.password is not None else ""
        return Credentials(self.hostname, self.shared_key.read(), self.username, password)
