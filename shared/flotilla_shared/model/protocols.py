"""Protocols of ports, by the words that users write (pilot.md 2.3)."""

from __future__ import annotations

from enum import StrEnum


class Protocol(StrEnum):
    """`UNSUPPORTED` means: not told, so find out (protocol sniffing) or treat as TCP."""

    HTTP = "HTTP"
    HTTP2 = "HTTP2"
    GRPC = "GRPC"
    GRPC_WEB = "GRPC-Web"
    HTTP_PROXY = "HTTP_PROXY"
    TCP = "TCP"
    HTTPS = "HTTPS"
    TLS = "TLS"
    MONGO = "Mongo"
    REDIS = "Redis"
    MYSQL = "MySQL"
    UDP = "UDP"
    UNSUPPORTED = "UnsupportedProtocol"

    @property
    def is_http(self) -> bool:
        return self in _HTTP

    @property
    def is_http2(self) -> bool:
        return self in _HTTP2

    @property
    def is_tcp(self) -> bool:
        return self in _TCP

    @property
    def is_tls(self) -> bool:
        """Carries TLS of the application's own, so SNI can be matched."""
        return self in _TLS

    @property
    def is_grpc(self) -> bool:
        return self in (Protocol.GRPC, Protocol.GRPC_WEB)


_HTTP2 = frozenset({Protocol.HTTP2, Protocol.GRPC, Protocol.GRPC_WEB})
_HTTP = _HTTP2 | {Protocol.HTTP, Protocol.HTTP_PROXY}
_TLS = frozenset({Protocol.HTTPS, Protocol.TLS})
_TCP = _TLS | {Protocol.TCP, Protocol.MONGO, Protocol.REDIS, Protocol.MYSQL}
_BY_WORD = {protocol.value.lower(): protocol for protocol in Protocol if protocol is not Protocol.UNSUPPORTED}
_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}


def parse_protocol(word: str) -> Protocol:
    """The protocol that a ServiceEntry, Gateway or Sidecar port names; case does not count."""
    return _BY_WORD.get(word.lower(), Protocol.UNSUPPORTED)


def protocol_of_port_name(name: str) -> Protocol:
    """By the port name's prefix up to the first dash; `grpc-web` is looked at first."""
    lower = name.lower()
    if lower == "grpc-web" or lower.startswith("grpc-web-"):
        return Protocol.GRPC_WEB
    return parse_protocol(lower.partition("-")[0])


def protocol_of_service_port(name: str, app_protocol: str = "", number: int = 0) -> Protocol:
    """Of a Kubernetes Service's port: appProtocol, then the name; well-known TCP ports are not sniffed."""
    if app_protocol:
        found = _APP_PROTOCOLS.get(app_protocol) or protocol_of_port_name(app_protocol)
        if found is not Protocol.UNSUPPORTED:
            return found
    found = protocol_of_port_name(name)
    if found is Protocol.UNSUPPORTED and number in (25, 53, 3306, 27017):
        return Protocol.TCP
    return found
