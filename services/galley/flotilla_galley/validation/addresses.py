"""Addresses of services that proxies call for themselves (rule P14, and names of extension providers)."""

from __future__ import annotations

from flotilla_galley.validation import checks


def host_port(text: str) -> str:
    """P14: `host:port`, an IPv6 address in brackets; what is wrong with it, or ""."""
    host, _, port = text.rpartition(":")
    if (number := checks.digits(port)) < 0 or not host:
        return f"{text!r} must be of the form host:port, such as zipkin.istio-system:9411"
    if wrong := checks.port(number):
        return wrong
    if host.startswith("[") and host.endswith("]"):
        return checks.ip(host[1:-1])
    if ":" in host:
        return f"{text!r} has more than one colon; write an IPv6 address in brackets, such as [::1]:9411"
    return "" if not checks.fqdn(host) else checks.ip(host) and f"{host!r} is neither a host name nor an IP address"


def provider_service(text: str) -> str:
    """`host`, an IP address, or `namespace/host`"""
    if not text:
        return "it is missing; name the host of a service"
    namespace, slash, host = text.partition("/")
    if slash:
        return checks.dns_label(namespace) or checks.fqdn(host)
    return checks.fqdn(text) if checks.ip(text) else ""
