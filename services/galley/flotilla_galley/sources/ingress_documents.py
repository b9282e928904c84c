"""An Ingress from plain data: as networking.k8s.io/v1 has it, and as the APIs before it had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_galley.sources.plain import entries, mapping, strings, text, whole
from flotilla_galley.transforms.kubernetes import Ingress, IngressPath, IngressRule, Origin


def ingress(origin: Origin, value: Mapping[str, Any]) -> Ingress:
    """Raises Unusable."""
    spec = mapping(value, "spec", "")
    rules = tuple(_rule(each, f"spec.rules[{index}].") for index, each in enumerate(entries(spec, "rules", "spec.")))
    tls = tuple(
        tuple(strings(each, "hosts", f"spec.tls[{index}].")) for index, each in enumerate(entries(spec, "tls", "spec."))
    )
    backend = any(spec.get(field) is not None for field in ("backend", "defaultBackend"))
    return Ingress(origin, text(spec, "ingressClassName", "spec.") or None, rules, tls, backend)


def _rule(value: Mapping[str, Any], path: str) -> IngressRule:
    host = text(value, "host", path)
    if value.get("http") is None:
        return IngressRule(host, None)
    inside = f"{path}http."
    paths = entries(mapping(value, "http", path), "paths", inside)
    return IngressRule(host, tuple(_path(each, f"{inside}paths[{index}].") for index, each in enumerate(paths)))


def _path(value: Mapping[str, Any], path: str) -> IngressPath:
    backend = mapping(value, "backend", path)
    service, port = _backend(backend, f"{path}backend.")
    return IngressPath(text(value, "path", path), text(value, "pathType", path), service, port)


def _backend(value: Mapping[str, Any], path: str) -> tuple[str, int]:
    """The service and the number of its port, 0 for a port by name: of the older form, or of today's."""
    if "serviceName" in value:
        port = value.get("servicePort")
        return text(value, "serviceName", path), 0 if isinstance(port, str) else whole(value, "servicePort", path)
    service = mapping(value, "service", path)
    port = mapping(service, "port", f"{path}service.")
    return text(service, "name", f"{path}service."), whole(port, "number", f"{path}service.port.")
