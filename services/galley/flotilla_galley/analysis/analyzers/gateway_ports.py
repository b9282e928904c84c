"""Ports of Gateways that no Service sends calls to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import at, number, pairs, text
from flotilla_galley.analysis.fields import mappings as mappings_at
from flotilla_galley.analysis.kinds import PODS, SERVICES
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.selectors import pods_selected, services_of, shown
from flotilla_shared.model.kinds import GATEWAYS
from flotilla_shared.model.labels import selects

_SELECTOR = "spec.selector"


def today(gateway: Resource, view: View) -> Iterator[Message]:
    """A server's port is one that pods listen on: what Services call their target port."""
    pods = pods_selected(view, gateway.spec.selector)
    if not pods:
        yield _nothing(gateway)
        return
    reached = {port for pod in pods for port in _target_ports(pod, view)}
    for field, port in _ports(gateway):
        if port not in reached:
            selector = shown(gateway.spec.selector)
            yield tell("GatewayPortNotDefinedOnService", gateway, field, port=port, selector=selector)


def of_1_4(gateway: Resource, view: View) -> Iterator[Message]:
    """1.4 compared with the ports of the Services themselves."""
    pods = pods_selected(view, gateway.spec.selector)
    if not pods:
        yield _nothing(gateway)
        return
    offered = {number(port, "port") for pod in pods for port in _tcp_ports(pod, view)}
    for field, port in _ports(gateway):
        if port not in offered:
            selector = shown(gateway.spec.selector)
            yield tell("GatewayPortNotOnWorkload", gateway, field, port=port, selector=selector)


def _nothing(gateway: Resource) -> Message:
    selector = shown(gateway.spec.selector)
    return tell("ReferencedResourceNotFound", gateway, _SELECTOR, what="selector", name=selector)


def _ports(gateway: Resource) -> Iterator[tuple[str, int]]:
    for index, server in enumerate(gateway.spec.servers):
        if server.HasField("port"):
            yield f"spec.servers[{index}].port.number", server.port.number


def _target_ports(pod: Resource, view: View) -> Iterator[int]:
    """Of all Services that select a pod. A name is looked up among the pod's ports."""
    for port in _tcp_ports(pod, view):
        target = at(port, "targetPort")
        if isinstance(target, str) and not target.isdecimal():
            yield _named_port(pod, target) or number(port, "port")
        else:
            yield int(target) if isinstance(target, str) else number(port, "targetPort") or number(port, "port")


def _named_port(pod: Resource, name: str) -> int:
    for container in mappings_at(pod.value, "spec", "containers"):
        for port in mappings_at(container, "ports"):
            if text(port, "name") == name:
                return number(port, "containerPort")
    return 0


def _tcp_ports(pod: Resource, view: View) -> Iterator[Mapping[str, Any]]:
    """The TCP ports of all Services that select a pod: those of its namespace."""
    for service in services_of(view, pod.namespace):
        selector = pairs(service.value, "spec", "selector")
        if selector and selects(selector, pod.labels):
            for port in mappings_at(service.value, "spec", "ports"):
                if text(port, "protocol") in ("", "TCP"):
                    yield port


_NAME = "gateway.IngressGatewayPortAnalyzer"
_ABOUT = "whether a Gateway selects pods, and Services send calls to its ports"
_READS = (GATEWAYS, PODS, SERVICES)
ANALYZER = Analyzer(_NAME, _ABOUT, _READS, {GATEWAYS: today})
ANALYZER_OF_1_4 = Analyzer(_NAME, _ABOUT, _READS, {GATEWAYS: of_1_4})
