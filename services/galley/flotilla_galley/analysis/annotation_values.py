"""What the values of annotations must be: one function a form, which gives the sentence of what is wrong, or ""."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

from flotilla_galley.sources.yaml_documents import YamlDocument, read_documents
from flotilla_galley.validation.validate import decode
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_MODES = ("REDIRECT", "TPROXY", "NONE")


def wrong_value(name: str, value: str) -> str:
    """What is wrong with the value of an annotation; "" for those whose value is free."""
    rule = _RULES.get(name)
    return rule(value) if rule is not None else ""


def _number(value: str) -> str:
    if _NUMBER.match(value) and int(value) < 2**32:
        return ""
    return f"{value!r} is no whole number from 0 on"


def _port(value: str) -> str:
    number = value.strip()
    return "" if _NUMBER.match(number) and int(number) < 2**16 else f"{value!r} is no port"


def _ports(value: str) -> str:
    wrong = (_port(each) for each in value.split(",")) if value.strip() else iter(())
    return next((each for each in wrong if each), "")


def _networks(value: str) -> str:
    wrong = (each for each in value.split(",") if not _is_network(each)) if value else iter(())
    return next((f"{each!r} is no network such as 10.0.0.0/8" for each in wrong), "")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _boolean(value: str) -> str:
    return "" if value in _BOOLEANS else f"{value!r} is neither true nor false"


def _mode(value: str) -> str:
    return "" if value in _MODES else f"{value!r} is none of {', '.join(_MODES)}"


def _proxy_config(value: str) -> str:
    """YAML of the fields of ProxyConfig."""
    for document in read_documents(value):
        if not isinstance(document, YamlDocument) or not isinstance(document.value, dict):
            return "it is no YAML with fields of ProxyConfig"
        problems = decode(ProxyConfig(), document.value)
        return next((f"{each.field}: {each.text}" for each in problems if each.severity == "error"), "")
    return ""


def _or_all(rule: Callable[[str], str]) -> Callable[[str], str]:
    """A star stands for all."""
    return lambda value: "" if value == "*" else rule(value)


_READINESS, _TRAFFIC = "readiness.status.sidecar.istio.io", "traffic.sidecar.istio.io"
_RULES: Mapping[str, Callable[[str], str]] = {
    "sidecar.istio.io/interceptionMode": _mode,
    "status.sidecar.istio.io/port": _port,
    f"{_READINESS}/initialDelaySeconds": _number,
    f"{_READINESS}/periodSeconds": _number,
    f"{_READINESS}/failureThreshold": _number,
    f"{_TRAFFIC}/includeOutboundIPRanges": _or_all(_networks),
    f"{_TRAFFIC}/excludeOutboundIPRanges": _networks,
    f"{_TRAFFIC}/includeInboundPorts": _or_all(_ports),
    f"{_TRAFFIC}/excludeInboundPorts": _ports,
    f"{_TRAFFIC}/excludeOutboundPorts": _ports,
    "prometheus.istio.io/merge-metrics": _boolean,
    "proxy.istio.io/config": _proxy_config,
}
