"""The application's own probes as injection left them in ISTIO_KUBE_APP_PROBERS: by path, what to ask. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_agent.errors import PodRefused

VARIABLE = "ISTIO_KUBE_APP_PROBERS"
TIMEOUT_SECONDS = 1.0  # the kubelet's default
PATH = re.compile(r"^/app-(health|lifecycle)/[^/]+/(livez|readyz|startupz|prestopz|poststartz)$")


@dataclass(frozen=True, slots=True)
class HttpProbe:
    port: int
    path: str = "/"
    scheme: str = "http"
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = TIMEOUT_SECONDS

    def where(self, pod: str) -> str:
        path = self.path if self.path.startswith("/") else f"/{self.path}"
        return f"{self.scheme}://{_bracketed(self.host or pod)}:{self.port}{path}"


@dataclass(frozen=True, slots=True)
class TcpProbe:
    port: int
    host: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS

    def where(self, pod: str) -> str:
        return f"tcp {_bracketed(self.host or pod)}:{self.port}"


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    port: int
    service: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS

    def where(self, pod: str) -> str:
        return f"grpc {_bracketed(pod)}:{self.port}"

    def request(self) -> bytes:
        """`grpc.health.v1.HealthCheckRequest{service}` on the wire."""
        name = self.service.encode()
        return b"" if not name else b"\x0a" + bytes([len(name)]) + name


Probe = HttpProbe | TcpProbe | GrpcProbe


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def read_probes(text: str) -> dict[str, Probe]:
    """By path. Raises PodRefused, naming the path and what is wrong."""
    if not text:
        return {}
    try:
        given = json.loads(text)
    except ValueError as error:
        raise PodRefused(f"the variable {VARIABLE} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise PodRefused(f"the variable {VARIABLE} must hold an object of probes by path")
    return {path: _read(path, content) for path, content in given.items()}


def _read(path: str, content: Any) -> Probe:
    if not PATH.match(path):
        raise PodRefused(f"{VARIABLE}: {path!r} must be of the form /app-health/<container>/livez, readyz or startupz")
    if not isinstance(content, dict):
        raise PodRefused(f"{VARIABLE}: {path} must hold httpGet, tcpSocket or grpc")
    timeout = float(content.get("timeoutSeconds") or TIMEOUT_SECONDS)
    if isinstance(http := content.get("httpGet"), dict):
        return _http(path, http, timeout)
    if isinstance(tcp := content.get("tcpSocket"), dict):
        return TcpProbe(_port(path, tcp), str(tcp.get("host") or ""), timeout)
    if isinstance(rpc := content.get("grpc"), dict):
        service = str(rpc.get("service") or "")
        if len(service.encode()) > 127:
            raise PodRefused(f"{VARIABLE}: {path}: the name of a gRPC service has at most 127 bytes here")
        return GrpcProbe(_port(path, rpc), service, timeout)
    if "port" in content:  # as Istio 1.4 wrote it
        return _http(path, content, timeout)
    raise PodRefused(f"{VARIABLE}: {path} must hold httpGet, tcpSocket or grpc")


def _http(path: str, http: Mapping[str, Any], timeout: float) -> HttpProbe:
    headers = {str(each["name"]): str(each.get("value", "")) for each in http.get("httpHeaders") or ()}
    return HttpProbe(
        port=_port(path, http),
        path=str(http.get("path") or "/"),
        scheme=str(http.get("scheme") or "HTTP").lower(),
        host=str(http.get("host") or ""),
        headers=headers,
        timeout_seconds=timeout,
    )


def _port(path: str, content: Mapping[str, Any]) -> int:
    port = content.get("port")
    if isinstance(port, str) and port.isdigit():
        port = int(port)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise PodRefused(f"{VARIABLE}: {path}: the port {port!r} must be a number between 1 and 65535")
    return port
