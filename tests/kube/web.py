"""What the tests of the cluster run in it: a web server in two pods, each of which says its name."""

from __future__ import annotations

from typing import Any

IMAGE = "localhost/flotilla/bookinfo:test"
REPLICAS = 2
PORT = 8080
LED_PORT = 8081
SERVE = "echo $NAME > /www/index.html && exec python3 -m http.server --directory /www 8080"
LEAD = f"iptables -t nat -A PREROUTING -p tcp --dport {LED_PORT} -j REDIRECT --to-ports {PORT}"


def web() -> list[dict[str, Any]]:
    """A Deployment whose init container leads port 8081 to 8080, a Service on port 80, and a headless one."""
    return [_deployment(), _service("web", port=80), _service("web-pods", port=PORT, clusterIP="None")]


def _deployment() -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {
        "initContainers": [_init()],
        "containers": [_server()],
        "volumes": [{"name": "www", "emptyDir": {}}, _token_volume()],
        "terminationGracePeriodSeconds": 0,
    }
    spec = {
        "replicas": REPLICAS,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def _init() -> dict[str, Any]:
    rights = {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]}}
    return {
        "name": "lead",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", LEAD],
        "securityContext": rights,
    }


def _server() -> dict[str, Any]:
    return {
        "name": "web",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", SERVE],
        "env": [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        "securityContext": {"runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False},
        "volumeMounts": [
            {"name": "www", "mountPath": "/www"},
            {"name": "token", "mountPath": "/var/run/secrets/tokens"},
        ],
    }


def _token_volume() -> dict[str, Any]:
    token = {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}
    return {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}}


def _service(name: str, *, port: int, **spec: str) -> dict[str, Any]:
    ports = [{"name": "http", "port": port, "targetPort": PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": ports} | spec,
    }
