"""The annotations by which a pod changes what is injected: each with what it may be. Unknown ones are let be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network

from flotilla_pilot.injection.errors import InjectionRefused

ALL = "*"
MODES = ("REDIRECT", "TPROXY", "NONE")
STATUS_PORT = "status.sidecar.istio.io/port"
MODE = "sidecar.istio.io/interceptionMode"
PROXY_CONFIG = "proxy.istio.io/config"
OVERRIDES = "proxy.istio.io/overrides"
STATUS = "sidecar.istio.io/status"
TEMPLATES = "inject.istio.io/templates"
REWRITE = "sidecar.istio.io/rewriteAppHTTPProbers"
NATIVE = "sidecar.istio.io/nativeSidecar"
_QUANTITY = re.compile(r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$")
_COMPONENT_LEVELS = re.compile(r"^[A-Za-z0-9_]+:[A-Za-z]+(,[A-Za-z0-9_]+:[A-Za-z]+)*$")
_LEVELS = ("trace", "debug", "info", "warning", "warn", "error", "critical", "off")

Check = Callable[[str], bool]


def is_ports(text: str) -> bool:
    return all(_is_number(word, 65535) for word in _words(text))


def is_ranges(text: str) -> bool:
    return all(_is_network(word) for word in _words(text))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _is_number(text: str, largest: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= largest


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _or_all(check: Check) -> Check:
    return lambda text: text.strip() == ALL or check(text)


def _is_boolean(text: str) -> bool:
    return text.lower() in ("true", "false")


_PORT = (lambda text: _is_number(text, 65535), "a number between 0 and 65535")
_PORTS = (is_ports, "ports with commas between, such as 80,443")
_RANGES = (is_ranges, "networks with commas between, such as 10.0.0.0/8,192.168.0.0/16")
_SECONDS = (lambda text: _is_number(text, 2**32 - 1), "a whole number that is not negative")
_AMOUNT = (lambda text: bool(_QUANTITY.match(text)), "a quantity, such as 100m or 128Mi")
_BOOLEAN = (_is_boolean, "true or false")
_OBJECT = (_is_object, "a JSON object")

RULES: Mapping[str, tuple[Check, str]] = {
    REWRITE: _BOOLEAN,
    NATIVE: _BOOLEAN,
    "sidecar.istio.io/capNetBindService": _BOOLEAN,
    "prometheus.istio.io/merge-metrics": _BOOLEAN,
    "sidecar.istio.io/proxyCPU": _AMOUNT,
    "sidecar.istio.io/proxyCPULimit": _AMOUNT,
    "sidecar.istio.io/proxyMemory": _AMOUNT,
    "sidecar.istio.io/proxyMemoryLimit": _AMOUNT,
    "sidecar.istio.io/logLevel": (lambda text: text in _LEVELS, f"one of {', '.join(_LEVELS)}"),
    "sidecar.istio.io/componentLogLevel": (
        lambda text: bool(_COMPONENT_LEVELS.match(text)),
        "of the form part:level,part:level",
    ),
    MODE: (lambda text: text in MODES, f"one of {', '.join(MODES)}"),
    "sidecar.istio.io/userVolume": _OBJECT,
    "sidecar.istio.io/userVolumeMount": _OBJECT,
    STATUS_PORT: _PORT,
    "readiness.status.sidecar.istio.io/initialDelaySeconds": _SECONDS,
    "readiness.status.sidecar.istio.io/periodSeconds": _SECONDS,
    "readiness.status.sidecar.istio.io/failureThreshold": _SECONDS,
    "readiness.status.sidecar.istio.io/applicationPorts": _PORTS,
    "traffic.sidecar.istio.io/includeOutboundIPRanges": (_or_all(is_ranges), f"* or {_RANGES[1]}"),
    "traffic.sidecar.istio.io/excludeOutboundIPRanges": _RANGES,
    "traffic.sidecar.istio.io/includeInboundPorts": (_or_all(is_ports), f"* or {_PORTS[1]}"),
    "traffic.sidecar.istio.io/excludeInboundPorts": _PORTS,
    "traffic.sidecar.istio.io/includeOutboundPorts": _PORTS,
    "traffic.sidecar.istio.io/excludeOutboundPorts": _PORTS,
}


def check_annotations(annotations: Mapping[str, str]) -> None:
    """Raises InjectionRefused for the first that cannot be."""
    for name, (check, right) in RULES.items():
        value = annotations.get(name)
        if value is not None and not check(value):
            raise InjectionRefused(f"annotation {name} is {value!r}: it must be {right}")


def is_true(annotations: Mapping[str, str], name: str, default: bool) -> bool:
    return annotations[name].lower() == "true" if name in annotations else default
