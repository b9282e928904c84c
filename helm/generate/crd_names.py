"""What a custom resource is called at the command line, and what `kubectl get` shows of it, as Istio has it."""

from __future__ import annotations

from typing import Any

SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "VirtualService": ("vs",),
    "DestinationRule": ("dr",),
    "Gateway": ("gw",),
    "ServiceEntry": ("se",),
    "WorkloadEntry": ("we",),
    "WorkloadGroup": ("wg",),
    "PeerAuthentication": ("pa",),
    "RequestAuthentication": ("ra",),
    "AuthorizationPolicy": ("ap",),
    "Telemetry": ("telemetry",),
}
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "VirtualService": (("Gateways", "gateways"), ("Hosts", "hosts")),
    "DestinationRule": (("Host", "host"),),
    "ServiceEntry": (("Hosts", "hosts"), ("Location", "location"), ("Resolution", "resolution")),
    "WorkloadEntry": (("Address", "address"),),
    "PeerAuthentication": (("Mode", "mtls.mode"),),
    "AuthorizationPolicy": (("Action", "action"),),
    "handler": (("Adapter", "compiledAdapter"),),
    "instance": (("Template", "compiledTemplate"),),
}


def columns(kind: str) -> list[dict[str, Any]]:
    """Of the spec, of Galley's status, and the age; with `-o wide` how many proxies have it."""
    shown = [_column(name, f".spec.{path}") for name, path in _COLUMNS.get(kind, ())]
    shown.append(_column("Valid", '.status.conditions[?(@.type=="PassedValidation")].status'))
    shown.append(_column("Proxies", '.status.conditions[?(@.type=="Reconciled")].message') | {"priority": 1})
    shown.append({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})
    return shown


def _column(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "type": "string", "jsonPath": path}
