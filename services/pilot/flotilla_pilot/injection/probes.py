"""The application's probes and hooks, redirected to the agent, which asks the application in place of the kubelet.

With mTLS on, Envoy refuses the kubelet, which has no certificate; a tcp probe of a captured port it would answer itself.
"""

from __future__ import annotations

import json
from typing import Any

from flotilla_pilot.injection.document import Json, at, listing, mapping

VARIABLE = "ISTIO_KUBE_APP_PROBERS"
PROXY = "istio-proxy"
PROBES = {"readinessProbe": "readyz", "livenessProbe": "livez", "startupProbe": "startupz"}
HOOKS = {"preStop": "prestopz", "postStart": "poststartz"}
HANDLERS = ("httpGet", "tcpSocket", "grpc")

Probers = dict[str, Json]


def redirect_probes(spec: Json, status_port: int, earlier: Probers) -> Probers:
    """Changes the containers of `spec` in place; gives what the agent must ask, by path. What an earlier injection took
    wins: its probes are redirected already.
    """
    found: Probers = {}
    restartable = [each for each in listing(spec.get("initContainers")) if each.get("restartPolicy") == "Always"]
    for container in [*listing(spec.get("containers")), *restartable]:
        if container.get("name") != PROXY:
            found.update(_redirect(container, status_port))
    return {**found, **earlier}


def _redirect(container: Json, status_port: int) -> Probers:
    found: Probers = {}
    name = str(container.get("name"))
    for field, short in PROBES.items():
        probe = container.get(field)
        path = f"/app-health/{name}/{short}"
        if isinstance(probe, dict) and (taken := _take(probe, path, container, status_port)):
            found[path] = {**taken, **_seconds(probe)}
    for field, short in HOOKS.items():
        hook = at(container, "lifecycle", field)
        path = f"/app-lifecycle/{name}/{short}"
        if isinstance(hook, dict) and (taken := _take(hook, path, container, status_port)):
            found[path] = taken
    return found


def _seconds(probe: Json) -> Json:
    return {"timeoutSeconds": probe["timeoutSeconds"]} if probe.get("timeoutSeconds") else {}


def _take(probe: Json, path: str, container: Json, status_port: int) -> Json | None:
    """What the probe asked; it asks the agent now. None where there is nothing to take, or its port has no number."""
    handler = next((each for each in HANDLERS if isinstance(probe.get(each), dict)), None)
    if handler is None:
        return None
    original: dict[str, Any] = dict(probe[handler])
    port = _number(original.get("port"), container)
    if port is None or (port == status_port and str(original.get("path", "")).startswith("/app-")):
        return None
    original["port"] = port
    kept = probe.pop(handler) if handler == "httpGet" else probe.pop(handler) and {}
    replaced = {key: value for key, value in kept.items() if key not in ("host", "scheme")}
    probe["httpGet"] = {**replaced, "path": path, "port": status_port}
    if str(original.get("scheme", "")).upper() == "HTTPS":
        probe["httpGet"]["scheme"] = "HTTP"
    return {handler: original}


def _number(port: object, container: Json) -> int | None:
    """A port by number or by one of the container's names."""
    if isinstance(port, int) and not isinstance(port, bool):
        return port
    if isinstance(port, str) and port.isdigit():
        return int(port)
    named = (each for each in listing(container.get("ports")) if each.get("name") == port and port)
    return next((each.get("containerPort") for each in named), None)


def as_text(probers: Probers) -> str:
    return json.dumps(probers, separators=(",", ":"), sort_keys=True)


def read_probers(text: str) -> Probers:
    """What an earlier injection wrote; nothing where it is not that."""
    try:
        return {path: mapping(each) for path, each in mapping(json.loads(text or "{}")).items()}
    except ValueError:
        return {}
