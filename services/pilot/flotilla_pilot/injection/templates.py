"""The templates: what is added to a pod for a sidecar, for a gateway, and for an application that speaks xDS itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from flotilla_pilot.injection.annotations import is_true
from flotilla_pilot.injection.container import (
    COMMAND,
    image,
    proxy_container,
    proxy_metadata,
    pull_policy,
    pull_secrets,
    resources,
    volumes,
)
from flotilla_pilot.injection.context import INIT, PROXY_USER, PodContext
from flotilla_pilot.injection.document import Json, at, listing, mapping, without_nothing
from flotilla_pilot.injection.errors import InjectionRefused
from flotilla_pilot.injection.settings import GATEWAY, GRPC, SIDECAR

TLS_MODE = "security.istio.io/tlsMode"
NETWORK = "topology.istio.io/network"
ALWAYS_FREE = "15090,15021"
GRPC_VARIABLES = {
    "GRPC_XDS_BOOTSTRAP": "/etc/istio/proxy/grpc/grpc-bootstrap.json",
    "GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT": "true",  # libraries of before 1.41 ask for it
}
# annotation, value below global.proxy, flag: given only where one of them says something
MORE_FLAGS = (
    ("traffic.sidecar.istio.io/includeOutboundPorts", "includeOutboundPorts", "-q"),
    ("traffic.sidecar.istio.io/excludeOutboundPorts", "excludeOutboundPorts", "-o"),
    ("istio.io/reroute-virtual-interfaces", "", "-k"),
    ("traffic.sidecar.istio.io/kubevirtInterfaces", "", "-k"),
    ("traffic.sidecar.istio.io/excludeInterfaces", "", "-c"),
)


def sidecar(context: PodContext) -> Json:
    """A pod's worth of additions: labels, istio-init, istio-proxy, volumes."""
    lifecycle = _lifecycle(context, held=context.holds)
    proxy = {**proxy_container(context, "sidecar"), **lifecycle, "securityContext": _sidecar_rights(context)}
    proxy["volumeMounts"] = [*proxy["volumeMounts"], *_user_mounts(context)]
    if (amounts := resources(context)) is not None:
        proxy["resources"] = amounts
    init = [] if context.mode == "NONE" else [init_container(context)]
    if context.native:
        init.append({**proxy, "restartPolicy": "Always"})
    spec = {
        "initContainers": init,
        "containers": [] if context.native else [proxy],
        "volumes": [*volumes(context), *_user_volumes(context)],
        "imagePullSecrets": pull_secrets(context),
    }
    labels = {TLS_MODE: context.labels.get(TLS_MODE) or "istio", **_network(context)}
    return {"metadata": {"labels": labels}, "spec": without_nothing(spec)}


def gateway(context: PodContext) -> Json:
    """A pod whose only proxy it is; ports below 1024 are its own to open."""
    proxy = {
        **proxy_container(context, "router"),
        "securityContext": _rights_of_nobody(),
    }
    spec = {
        "securityContext": {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]},
        "containers": [proxy],
        "volumes": volumes(context),
        "imagePullSecrets": pull_secrets(context),
    }
    return {"metadata": {"labels": _network(context)}, "spec": without_nothing(spec)}


def grpc_agent(context: PodContext) -> Json:
    """An agent without an Envoy; nothing is intercepted. The application's containers find the agent's files, which its
    group may read, and wait for the agent: gRPC does not look for its bootstrap twice.
    """
    proxy = {
        **proxy_container(context, "grpc"),
        **_lifecycle(context, held=True),
        "securityContext": _rights_of_nobody(),
    }
    del proxy["ports"]
    if (amounts := resources(context)) is not None:
        proxy["resources"] = amounts
    applications = [_grpc_application(each) for each in context.applications if each.get("name")]
    spec = {
        "securityContext": {"fsGroup": at(context.pod, "spec", "securityContext", "fsGroup") or PROXY_USER},
        "initContainers": [{**proxy, "restartPolicy": "Always"}] if context.native else [],
        "containers": applications if context.native else [*applications, proxy],
        "volumes": volumes(context),
        "imagePullSecrets": pull_secrets(context),
    }
    labels = {TLS_MODE: context.labels.get(TLS_MODE) or "istio", **_network(context)}
    return {"metadata": {"labels": labels}, "spec": without_nothing(spec)}


def _grpc_application(container: Json) -> Json:
    """What is added to a container, by its name; what it says itself stays."""
    given = [each.get("name") for each in listing(container.get("env"))]
    env = [{"name": name, "value": value} for name, value in GRPC_VARIABLES.items() if name not in given]
    mount = {"name": "istio-envoy", "mountPath": "/etc/istio/proxy", "readOnly": True}
    return without_nothing({"name": container.get("name"), "env": env, "volumeMounts": [mount]})


def _rights_of_nobody() -> Json:
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": PROXY_USER,
        "runAsNonRoot": True,
        "runAsUser": PROXY_USER,
    }


TEMPLATES: Mapping[str, Callable[[PodContext], Json]] = {SIDECAR: sidecar, GATEWAY: gateway, GRPC: grpc_agent}


def _network(context: PodContext) -> dict[str, str]:
    network = context.values.text("global", "network")
    return {NETWORK: context.labels.get(NETWORK) or network} if network else {}


def _lifecycle(context: PodContext, *, held: bool) -> Json:
    """A native sidecar ends after the application, and drains before; one that is held for makes the others wait."""
    given = mapping(context.values.get("global", "proxy", "lifecycle"))
    if given:
        return {"lifecycle": given}
    ask = f"--debug-port={context.status_port}"
    if context.native:
        return {"lifecycle": {"preStop": {"exec": {"command": [COMMAND, "request", ask, "POST", "drain"]}}}}
    if held:
        wait = f"--url=http://127.0.0.1:{context.status_port}/healthz/ready"
        return {"lifecycle": {"postStart": {"exec": {"command": [COMMAND, "wait", wait]}}}}
    return {}


def _sidecar_rights(context: PodContext) -> Json:
    """TPROXY needs the right to open transparent sockets, and user 0 for it; the proxy is then told by its group."""
    transparent = context.mode == "TPROXY"
    privileged = context.values.truth("global", "proxy", "privileged")
    add = ["NET_ADMIN"] if transparent else []
    if is_true(context.annotations, "sidecar.istio.io/capNetBindService", False):
        add.append("NET_BIND_SERVICE")
    return {
        "allowPrivilegeEscalation": privileged,
        "capabilities": without_nothing({"add": add, "drop": ["ALL"]}),
        "privileged": privileged,
        "readOnlyRootFilesystem": True,
        "runAsGroup": PROXY_USER,
        "runAsNonRoot": not transparent,
        "runAsUser": 0 if transparent else PROXY_USER,
    }


def init_container(context: PodContext) -> Json:
    name = context.values.text("global", "proxy_init", "image")
    chosen = context.annotations.get("sidecar.istio.io/proxyImage")
    privileged = context.values.truth("global", "proxy", "privileged")
    container: Json = {
        "name": INIT,
        "image": chosen or image(context, name or context.values.text("global", "proxy", "image")),
        "imagePullPolicy": pull_policy(context) or None,
        "command": [COMMAND],
        "args": ["interception", *_rules(context)],
        "env": [{"name": name, "value": value} for name, value in proxy_metadata(context).items()],
        "resources": mapping(context.values.get("global", "proxy_init", "resources")) or resources(context),
        "securityContext": {
            "allowPrivilegeEscalation": privileged,
            "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
            "privileged": privileged,
            "readOnlyRootFilesystem": False,  # iptables may need its lock
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "runAsUser": 0,
        },
    }
    return without_nothing(container)


def _rules(context: PodContext) -> list[str]:
    """The flags of `flotilla-agent interception`."""
    option = context.option
    free = option("traffic.sidecar.istio.io/excludeInboundPorts", "proxy", "excludeInboundPorts")
    flags = {
        "-p": "15001",
        "-z": "15006",
        "-u": str(context.user),
        "-m": context.mode,
        "-i": option("traffic.sidecar.istio.io/includeOutboundIPRanges", "proxy", "includeIPRanges"),
        "-x": option("traffic.sidecar.istio.io/excludeOutboundIPRanges", "proxy", "excludeIPRanges"),
        "-b": option("traffic.sidecar.istio.io/includeInboundPorts", "proxy", "includeInboundPorts"),
        "-d": ",".join([ALWAYS_FREE, *_with_status_port(free, context.status_port)]),
    }
    for annotation, value, flag in MORE_FLAGS:
        found = context.annotations.get(annotation)
        if found is None and value:
            found = context.values.text("global", "proxy", value) or None
        if found is not None:
            flags[flag] = found
    return [word for pair in flags.items() for word in pair]


def _with_status_port(ports: str, status_port: int) -> list[str]:
    given = [word.strip() for word in ports.split(",") if word.strip()]
    return given if not status_port or str(status_port) in given else [*given, str(status_port)]


def _user_mounts(context: PodContext) -> list[Json]:
    return _by_name(context, "sidecar.istio.io/userVolumeMount")


def _user_volumes(context: PodContext) -> list[Json]:
    return _by_name(context, "sidecar.istio.io/userVolume")


def _by_name(context: PodContext, annotation: str) -> list[Json]:
    content = json.loads(context.annotations.get(annotation, "{}"))
    wrong = next((name for name, each in content.items() if not isinstance(each, dict)), None)
    if wrong is not None:
        raise InjectionRefused(f"annotation {annotation}: {wrong} must hold an object")
    return [{"name": name, **content[name]} for name in sorted(content)]
