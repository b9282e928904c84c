"""What the proxy's container has in common for sidecars and gateways: image, variables, volumes, readiness."""

from __future__ import annotations

import json
from typing import Any

from flotilla_pilot.injection.context import PROXY, PodContext
from flotilla_pilot.injection.document import Json, listing, without_nothing
from flotilla_pilot.injection.proxy_config import as_text

COMMAND = "flotilla-agent"
PROMETHEUS_PORT = 15090
TOKEN_SECONDS = 43200
RESOURCES = (("requests", "cpu", "proxyCPU"), ("requests", "memory", "proxyMemory"))
LIMITS = (("limits", "cpu", "proxyCPULimit"), ("limits", "memory", "proxyMemoryLimit"))
DNS_CAPTURE = "ISTIO_META_DNS_"
FIELDS = (
    ("POD_NAME", "metadata.name"),
    ("POD_NAMESPACE", "metadata.namespace"),
    ("INSTANCE_IP", "status.podIP"),
    ("INSTANCE_IPS", "status.podIPs"),
    ("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    ("HOST_IP", "status.hostIP"),
    ("ISTIO_META_NODE_NAME", "spec.nodeName"),
)


def proxy_image(context: PodContext) -> str:
    """The annotation's, or `<hub>/<image>:<tag>`; an image that has a slash is whole already."""
    chosen = context.annotations.get("sidecar.istio.io/proxyImage")
    return chosen or image(context, context.values.text("global", "proxy", "image"))


def image(context: PodContext, name: str) -> str:
    if "/" in name:
        return name
    return f"{context.values.text('global', 'hub')}/{name}:{context.values.text('global', 'tag')}"


def pull_policy(context: PodContext) -> str:
    return context.values.text("global", "imagePullPolicy")


def resources(context: PodContext) -> Json | None:
    """By annotation, all of them, where there is any; else the values'. Nulls take a default away."""
    given = [each for each in RESOURCES + LIMITS if f"sidecar.istio.io/{each[2]}" in context.annotations]
    if given:
        found: Json = {}
        for group, name, annotation in given:
            found.setdefault(group, {})[name] = context.annotations[f"sidecar.istio.io/{annotation}"]
        return found
    values = context.values.get("global", "proxy", "resources")
    if not isinstance(values, dict):
        return None
    kept = {group: without_nothing(amounts) for group, amounts in values.items() if isinstance(amounts, dict)}
    return without_nothing(kept) or None


def arguments(context: PodContext, kind: str) -> list[str]:
    level = context.option("sidecar.istio.io/logLevel", "proxy", "logLevel")
    parts = context.option("sidecar.istio.io/componentLogLevel", "proxy", "componentLogLevel")
    agent = context.option("sidecar.istio.io/agentLogLevel", "logging", "level")
    given = [
        "proxy",
        kind,
        "--domain",
        f"$(POD_NAMESPACE).svc.{context.values.text('global', 'proxy', 'clusterDomain')}",
    ]
    given += [f"--proxyLogLevel={level}"] if level else []
    given += [f"--proxyComponentLogLevel={parts}"] if parts else []
    given += [f"--log_output_level={agent}"] if agent else []
    return given + (["--log_as_json"] if context.values.truth("global", "logAsJson") else [])


def variables(context: PodContext) -> list[Json]:
    """What the agent reads (flotilla_agent.pod.environment), and the mesh's own and the URL's beside it."""
    found = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in FIELDS]
    limit = {"resource": "limits.cpu", "divisor": "1"}
    found.append({"name": "ISTIO_CPU_LIMIT", "valueFrom": {"resourceFieldRef": limit}})
    plain = {**_mesh(context), **_metadata(context), **proxy_metadata(context), **context.environment}
    return found + [{"name": name, "value": value} for name, value in plain.items()]


def proxy_metadata(context: PodContext) -> dict[str, str]:
    """What the user adds to the proxy's variables. Nothing answers DNS in the pod, so DNS is not to be led there."""
    given = sorted(context.proxy_config.proxy_metadata.items())
    return {name: value for name, value in given if not name.startswith(DNS_CAPTURE)}


def _mesh(context: PodContext) -> dict[str, str]:
    namespace = context.values.text("global", "istioNamespace")
    citadel = context.values.text("global", "caAddress") or f"istio-citadel.{namespace}.svc:8060"
    pilot = context.proxy_config.discovery_address or f"istio-pilot.{namespace}.svc:15012"
    return {
        "TRUST_DOMAIN": context.injector.mesh.trust_domain,
        "ROOT_NAMESPACE": namespace,
        "CA_ADDR": citadel,
        "DISCOVERY_ADDRESS": context.annotations.get("sidecar.istio.io/discoveryAddress") or pilot,
        "PROXY_CONFIG": as_text(context.proxy_config, context.status_port),
        "REVISION": context.injector.revision_name,
    }


def _metadata(context: PodContext) -> dict[str, str]:
    values = context.values
    found = {
        "ISTIO_META_POD_PORTS": json.dumps(_ports(context), separators=(",", ":")),
        "ISTIO_META_APP_CONTAINERS": ",".join(str(each.get("name")) for each in context.applications),
        "ISTIO_META_CLUSTER_ID": values.text("global", "multiCluster", "clusterName") or "Kubernetes",
        "ISTIO_META_INTERCEPTION_MODE": context.mode,
        "ISTIO_META_WORKLOAD_NAME": context.identity.workload,
        "ISTIO_META_OWNER": context.identity.uri,
        "ISTIO_META_MESH_ID": values.text("global", "meshID") or context.injector.mesh.trust_domain,
        "ISTIO_META_NETWORK": context.labels.get("topology.istio.io/network") or values.text("global", "network"),
    }
    return {name: value for name, value in found.items() if value}


def _ports(context: PodContext) -> list[Json]:
    shown = ("name", "containerPort", "protocol", "hostPort", "hostIP")
    ports = [port for each in context.applications for port in listing(each.get("ports"))]
    return [{key: port[key] for key in shown if key in port} for port in ports]


def readiness(context: PodContext, kind: str) -> Json:
    """`readinessProbe` and, beside an application where it is on, `startupProbe`: the agent's word on the status port. Port 0
    means none.
    """
    if not context.status_port:
        return {}
    ask: Json = {"httpGet": {"path": "/healthz/ready", "port": context.status_port}, "timeoutSeconds": 3}

    def number(annotation: str, value: str) -> int:
        text = context.option(f"readiness.status.sidecar.istio.io/{annotation}", "proxy", value)
        return int(text or 0)

    waits = {
        "initialDelaySeconds": number("initialDelaySeconds", "readinessInitialDelaySeconds"),
        "periodSeconds": number("periodSeconds", "readinessPeriodSeconds"),
        "failureThreshold": number("failureThreshold", "readinessFailureThreshold"),
    }
    probes: Json = {"readinessProbe": {**ask, **{name: value for name, value in waits.items() if value}}}
    if kind != "router" and context.values.truth("global", "proxy", "startupProbe", "enabled"):
        failures = context.values.get("global", "proxy", "startupProbe", "failureThreshold")
        probes["startupProbe"] = {**ask, "periodSeconds": 1, "failureThreshold": failures}
    return probes


def proxy_container(context: PodContext, kind: str) -> Json:
    """Without what only a sidecar or only a gateway has."""
    container: Json = {
        "name": PROXY,
        "image": proxy_image(context),
        "imagePullPolicy": pull_policy(context) or None,
        "command": [COMMAND],
        "args": arguments(context, kind),
        "ports": [{"containerPort": PROMETHEUS_PORT, "name": "http-envoy-prom", "protocol": "TCP"}],
        "env": variables(context),
        **readiness(context, kind),
        "volumeMounts": mounts(),
    }
    return without_nothing(container)


def mounts() -> list[Json]:
    places = {
        "istiod-ca-cert": "/var/run/secrets/istio",
        "istio-data": "/var/lib/istio/data",
        "istio-envoy": "/etc/istio/proxy",
        "istio-token": "/var/run/secrets/tokens",
        "istio-podinfo": "/etc/istio/pod",
    }
    return [{"mountPath": path, "name": name} for name, path in places.items()]


def volumes(context: PodContext) -> list[Json]:
    audience = context.values.text("global", "sds", "token", "aud") or "istio-ca"
    token = {"audience": audience, "expirationSeconds": TOKEN_SECONDS, "path": "istio-token"}
    info: list[dict[str, Any]] = [
        {"path": name, "fieldRef": {"fieldPath": f"metadata.{name}"}} for name in ("labels", "annotations")
    ]
    return [
        {"name": "istio-envoy", "emptyDir": {"medium": "Memory"}},
        {"name": "istio-data", "emptyDir": {}},
        {"name": "istio-podinfo", "downwardAPI": {"items": info}},
        {"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "istiod-ca-cert", "configMap": {"name": "istio-ca-root-cert"}},
    ]


def pull_secrets(context: PodContext) -> list[Json]:
    given = context.values.get("global", "imagePullSecrets")
    return [{"name": str(name)} for name in given] if isinstance(given, list) else []
