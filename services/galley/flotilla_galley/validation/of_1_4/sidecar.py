"""Sidecar (rules SC1 to SC5 as Istio 1.4 has them); that a selector has labels is seen as it is read."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.of_1_4.primitives import ip, protocol
from flotilla_protos.istio.networking.v1alpha3.sidecar_pb2 import (
    CaptureMode,
    IstioEgressListener,
    IstioIngressListener,
    Sidecar,
    SidecarPort,
)

UNIX = "unix://"
LOCAL = ("127.0.0.1", "")


def validate(spec: Sidecar, report: Report, namespace: str) -> None:
    if not spec.egress:
        report.at("egress").wrong("there is none; a Sidecar of Istio 1.4 needs one, such as hosts: ['*/*']")
    _ingress(spec, report)
    _egress(spec, report)


def _ingress(spec: Sidecar, report: Report) -> None:
    """SC2 and SC3"""
    seen: set[int] = set()
    for where, listener in report.each("ingress", spec.ingress):
        if not listener.HasField("port"):
            where.at("port").wrong("it is missing")
            continue
        _ingress_listener(listener, where)
        if listener.port.number in seen:
            where.at("port").at("number").wrong(f"port {listener.port.number} is named twice", "duplicate")
        seen.add(listener.port.number)


def _ingress_listener(listener: IstioIngressListener, report: Report) -> None:
    _port(listener.port, report.at("port"))
    report.at("port").check(checks.port, "number", listener.port.number)
    if listener.bind:
        report.check(ip, "bind", listener.bind)
    report.check(default_endpoint, "defaultEndpoint", listener.default_endpoint)


def _port(port: SidecarPort, report: Report) -> None:
    report.check(protocol, "protocol", port.protocol)
    if port.name:
        report.check(checks.dns_label, "name", port.name)


def default_endpoint(endpoint: str) -> str:
    """SC3: where the application listens, in the proxy's own pod"""
    if not endpoint:
        return "it is missing, such as 127.0.0.1:8080"
    if endpoint.startswith(UNIX):
        return checks.unix(endpoint.removeprefix(UNIX))
    host, _, port = endpoint.partition(":")
    if host not in LOCAL or not port.isdecimal():
        return f"{endpoint!r} must be of the form 127.0.0.1:<port>, :<port> or unix://<path>"
    return checks.port(int(port))


def _egress(spec: Sidecar, report: Report) -> None:
    """SC4 and SC5"""
    seen: set[int | str] = set()
    last = len(spec.egress) - 1
    for index, listener in enumerate(spec.egress):
        where = report.at("egress", index)
        _hosts(listener, where)
        if not listener.HasField("port"):
            where.wrong("" if index == last else "a listener without port takes what is left, so it must be the last")
            continue
        _egress_port(listener, where)
        place = listener.port.number or listener.bind
        if place in seen:
            where.at("port").wrong(
                f"there is a listener on {place!r} already; every listener needs its own", "duplicate"
            )
        seen.add(place)


def _egress_port(listener: IstioEgressListener, report: Report) -> None:
    _port(listener.port, report.at("port"))
    if listener.port.number:
        report.at("port").check(checks.port, "number", listener.port.number)
        if listener.bind:
            report.check(ip, "bind", listener.bind)
    elif not listener.bind.startswith(UNIX):
        report.at("port").at("number").wrong("it is missing; only a listener on a Unix socket does without")
    else:
        report.at("bind").wrong(checks.unix(listener.bind.removeprefix(UNIX)))
        if listener.capture_mode not in (CaptureMode.DEFAULT, CaptureMode.NONE):
            report.at("captureMode").wrong("a Unix socket cannot be captured; use NONE")


def _hosts(listener: IstioEgressListener, report: Report) -> None:
    if not listener.hosts:
        report.at("hosts").wrong("it names no host; '*/*' is everything")
    for where, host in report.each("hosts", listener.hosts):
        where.wrong(egress_host(host))


def egress_host(text: str) -> str:
    """P6; neither addresses nor the exclusion of a namespace (`~ns`), which came later"""
    namespace, _, name = text.partition("/")
    if namespace.startswith("~") and namespace != "~":
        return f"{text!r}: the namespace must be *, ., ~ or a name"
    if not checks.ip(name):
        return f"{text!r} names an address; name a host"
    return checks.namespaced_host(text, slash=True)
