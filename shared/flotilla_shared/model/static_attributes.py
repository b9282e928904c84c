"""What Pilot tells Mixer through a proxy: the service that a call is for, and the side that the proxy is on.

Pilot writes these into metadata of routes, listeners and clusters and into the metadata of Checks; Mixer reads them
from Checks and log entries (mixer-on-envoy.md 2).
"""

from __future__ import annotations

METADATA = "flotilla"
STATIC_HEADER = "x-flotilla-static"
REPORTER_HEADER = "x-flotilla-reporter"
INBOUND = "inbound"
OUTBOUND = "outbound"
# Headers by which 1.4's proxies handed on what they claimed: any client can send them, so gateways strip them.
TRUST_HEADERS = ("x-istio-attributes", "x-flotilla-peer")

HOST = "destination.service.host"
NAME = "destination.service.name"
NAMESPACE = "destination.service.namespace"
UID = "destination.service.uid"
STATIC_ATTRIBUTES = frozenset((HOST, NAME, NAMESPACE, UID))


def service_attributes(host: str, namespace: str) -> dict[str, str]:
    """The attributes of a service; its name is the first label of its host."""
    name = host.partition(".")[0]
    return {HOST: host, NAME: name, NAMESPACE: namespace, UID: f"istio://{namespace}/services/{name}"}
