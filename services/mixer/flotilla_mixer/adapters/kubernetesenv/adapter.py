"""The kubernetesenv adapter: a uid or an address to what is known of the workload (mixer.md 5.9).

It asks Mixer's own index of workloads, which is made of Pods or of WorkloadEntries: there is no second watch.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.kit.adapter import Environment, Fault, GenerateCall, KnownWorkload
from flotilla_mixer.kit.text import text_of
from flotilla_mixer.templates.catalogue import KUBERNETES
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.kubernetesenv.config.config_pb2 import Params

SCHEME = "kubernetes://"
REFRESH_SECONDS = 300
IPV4_AND_IPV6 = (4, 16)


class KubernetesHandler:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def generate(self, calls: Sequence[GenerateCall]) -> None:
        for call in calls:
            source_uid, source_ip, destination_uid, destination_ip, port = call.row[:5]
            source = self._find(source_uid, source_ip)
            destination = self._find(destination_uid, destination_ip)
            outputs: dict[str, object] = {} if source is None else outputs_of("source", source, None)
            if destination is not None:
                outputs |= outputs_of("destination", destination, port)
            call.answer(outputs)

    def close(self) -> None:
        pass

    def _find(self, uid: object, address: object) -> KnownWorkload | None:
        """By the uid if there is one, and else by the address; what a uid does not find is not found by the address."""
        if uid:
            name = text_of(uid)
            if not name.startswith(SCHEME) and _is_address(name):
                return self._environment.workload_at(name)
            name, dot, namespace = name.removeprefix(SCHEME).rpartition(".")
            return self._environment.workload_named(namespace, name) if dot else None
        text = _address(address) if isinstance(address, bytes) else ""
        return self._environment.workload_at(text) if text else None


def outputs_of(side: str, workload: KnownWorkload, port: int | None) -> dict[str, object]:
    """What is known of a workload; what it does not have is left out."""
    found: dict[str, object] = {
        "pod_uid": f"{SCHEME}{workload.name}.{workload.namespace}",
        "pod_name": workload.name,
        "namespace": workload.namespace,
        "service_account_name": workload.account,
        "labels": dict(workload.labels),
        "owner": workload.owner,
        "workload_uid": f"istio://{workload.namespace}/workloads/{workload.workload}",
        "workload_name": workload.workload,
        "workload_namespace": workload.namespace,
    }
    for output, address in (
        ("pod_ip", workload.addresses[0] if workload.addresses else ""),
        ("host_ip", workload.host),
    ):
        if _is_address(address):
            found[output] = ipaddress.ip_address(address).packed
    if port is not None and port in workload.containers:
        found["container_name"] = workload.containers[port]
    return {f"{side}_{name}": value for name, value in found.items() if value}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(4096)
def _address(address: bytes) -> str:
    """As text, a mapped one as IPv4; empty for no address, and for the one that stands for none."""
    if len(address) not in IPV4_AND_IPV6:
        return ""
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return "" if found.is_unspecified else str(found)


class KubernetesEnv:
    """The adapter. Its parameters are those of 1.4, and are not needed."""

    name: ClassVar[str] = "kubernetesenv"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((KUBERNETES.name,))

    def defaults(self) -> Message:
        return Params(cache_refresh_duration=Duration(seconds=REFRESH_SECONDS))

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        if params.kubeconfig_path:
            text = "Mixer's own settings say which cluster it watches: leave it out."
            yield Fault("spec.params.kubeconfigPath", text)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> KubernetesHandler:
        return KubernetesHandler(environment)
