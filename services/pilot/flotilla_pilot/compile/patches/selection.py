"""Which EnvoyFilters, and which of their patches, are a proxy's, in the order in which they are applied."""

import re
from functools import lru_cache
from typing import Any

from flotilla_pilot.compile.patches.patch import Patch
from flotilla_pilot.compile.patches.reading import read_filter
from flotilla_pilot.compile.regex import regex_fault
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_shared.model.labels import selects
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog

GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
MAX_VERSION_PATTERN = 1024


def selected_filters(snapshot: MeshSnapshot, proxy: Proxy) -> tuple[ConfigObject, ...]:
    """The objects that speak of the proxy: by priority, then the root namespace's, then the oldest."""
    root = snapshot.mesh.root_namespace
    namespaces = dict.fromkeys((root, proxy.namespace))
    items = (each for namespace in namespaces for each in snapshot.envoy_filters.get(namespace, ()))
    return tuple(sorted((each for each in items if _speaks_of(each, proxy)), key=lambda each: _order(each, root)))


def _order(item: ConfigObject, root: str) -> tuple[int, bool, int, str]:
    key = item.key
    return item.spec.priority, key.namespace != root, item.create_time_ns, f"{key.name}.{key.namespace}"


def _speaks_of(item: ConfigObject, proxy: Proxy) -> bool:
    spec = item.spec
    if spec.targetRefs:
        return any(_is_target(each, item, proxy) for each in spec.targetRefs)
    # Labels of before Istio 1.3 count where there is no selector.
    wanted = spec.workload_selector.labels if spec.HasField("workload_selector") else spec.workload_labels
    return selects(wanted, proxy.labels)


def _is_target(target: Any, item: ConfigObject, proxy: Proxy) -> bool:
    """Targets are Gateways of Kubernetes' API: their routers carry the Gateway's name."""
    return (
        target.kind == "Gateway"
        and target.group == "gateway.networking.k8s.io"
        and item.key.namespace == proxy.namespace
        and proxy.labels.get(GATEWAY_NAME) == target.name
    )


def selected_patches(snapshot: MeshSnapshot, proxy: Proxy, log: ProblemLog) -> tuple[Patch, ...]:
    """The patches of a proxy in their order; what is wrong with the others goes into `log`."""
    found: list[Patch] = []
    for item in selected_filters(snapshot, proxy):
        read = read_filter(item)
        log.merge({item.key: read.problems})
        for patch in read.patches:
            stated = patch.match.proxy.proxy_version
            fault = _pattern_fault(stated)
            if fault:
                field = f"spec.configPatches[{patch.index}].match.proxy.proxyVersion"
                log.error(item.key, "match-refused", field, f"the pattern {fault}; the patch matches no proxy")
            elif matches_proxy(patch.match.proxy, proxy.metadata.get("ISTIO_VERSION", ""), proxy.metadata):
                found.append(patch)
    return tuple(found)


def matches_proxy(stated: Any, version: str, metadata: Any) -> bool:
    """Whether a ProxyMatch holds: a pattern asks for a version, and every pair for metadata of just that text."""
    if stated.proxy_version:
        if _pattern_fault(stated.proxy_version) or not version:
            return False
        if not re.search(stated.proxy_version, version):
            return False
    return all(metadata.get(name) == value for name, value in stated.metadata.items())


@lru_cache(maxsize=1024)
def _pattern_fault(pattern: str) -> str:
    if len(pattern) > MAX_VERSION_PATTERN:
        return f"is longer than {MAX_VERSION_PATTERN} characters"
    fault = regex_fault(pattern) if pattern else ""
    if fault:
        return fault
    try:
        re.compile(pattern)
    except re.error as error:
        return f"cannot be read: {error}"
    return ""
