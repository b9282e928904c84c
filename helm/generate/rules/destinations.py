"""How calls go to a service: DestinationRule, and the pools of connections that a Sidecar has, too."""

from __future__ import annotations

from helm.generate.rules.terms import (
    FILLED,
    NAME,
    NOT_NEGATIVE,
    PERCENT,
    PORT,
    SPAN,
    SPAN_OR_NONE,
    Table,
    needs,
    rule,
    values,
)

_NET = "istio.networking.v1alpha3"
_POOL, _HASH = f"{_NET}.ConnectionPoolSettings", f"{_NET}.LoadBalancerSettings.ConsistentHashLB"
_LIMITS = (
    "http1MaxPendingRequests",
    "http2MaxRequests",
    "maxRequestsPerConnection",
    "maxRetries",
    "maxConcurrentStreams",
)

DESTINATIONS: Table = {
    f"{_NET}.DestinationRule": {"": needs("host"), "host": FILLED, "subsets": {"maxItems": 1024}},
    f"{_NET}.Subset": {"": needs("name"), "name": NAME},
    f"{_NET}.TrafficPolicy": {
        "": {
            "minProperties": 1,
            **rule("!(has(self.tunnel) && has(self.proxyProtocol))", "tunnel and proxyProtocol exclude each other"),
        },
        # Kubernetes bounds what checking may cost, and so wants to know how many there can be.
        "portLevelSettings": {"maxItems": 256},
    },
    f"{_NET}.TrafficPolicy.PortTrafficPolicy": {"": needs("port")},
    f"{_NET}.TrafficPolicy.TunnelSettings": {
        "": needs("targetHost", "targetPort"),
        "protocol": {"enum": ["", "CONNECT", "POST"]},
        "targetPort": PORT,
    },
    f"{_NET}.PortSelector": {"": needs("number"), "number": PORT},
    f"{_NET}.LoadBalancerSettings": {
        "": rule(
            "!(has(self.localityLbSetting) && has(self.zoneAwareLbSetting))",
            "localityLbSetting and zoneAwareLbSetting exclude each other",
        ),
        "warmupDurationSecs": SPAN,
    },
    f"{_HASH}.HTTPCookie": {"": needs("name"), "name": FILLED},
    f"{_HASH}.HTTPCookie.Attribute": {"": needs("name"), "name": FILLED},
    f"{_NET}.WarmupConfiguration": {
        "": needs("duration"),
        "duration": SPAN,
        "minimumPercent": PERCENT,
        "aggression": {"minimum": 0, "exclusiveMinimum": True},
    },
    f"{_NET}.LocalityLoadBalancerSetting.Distribute": {"to": values({"minimum": 1, "maximum": 100})},
    _POOL: {"": {"minProperties": 1}},
    f"{_POOL}.TCPSettings": {
        "maxConnections": NOT_NEGATIVE,
        "connectTimeout": SPAN,
        "maxConnectionDuration": SPAN,
        "idleTimeout": SPAN_OR_NONE,
    },
    f"{_POOL}.TCPSettings.TcpKeepalive": {"time": SPAN, "interval": SPAN},
    f"{_POOL}.HTTPSettings": {**dict.fromkeys(_LIMITS, NOT_NEGATIVE), "idleTimeout": SPAN},
    f"{_POOL}.HTTPSettings.ConnectionKeepalive": {
        "": needs("interval", "timeout"),
        "interval": SPAN,
        "timeout": SPAN,
    },
    f"{_NET}.OutlierDetection": {
        "interval": SPAN,
        "baseEjectionTime": SPAN,
        "maxEjectionPercent": PERCENT,
        "minHealthPercent": PERCENT,
    },
}
