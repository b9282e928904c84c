"""Where proxies listen: Gateway and Sidecar; and EnvoyFilter and ProxyConfig."""

from __future__ import annotations

from helm.generate.rules.terms import (
    FILLED,
    NOT_NEGATIVE,
    PORT_OR_NONE,
    REFERENCES,
    SOME,
    Table,
    given,
    needs,
    rule,
)

_NET = "istio.networking.v1alpha3"

LISTENERS: Table = {
    f"{_NET}.Gateway": {"": needs("servers"), "servers": SOME},
    f"{_NET}.Server": {"": needs("port", "hosts"), "hosts": SOME},
    f"{_NET}.Port": {
        "": needs("protocol", "name"),
        "number": PORT_OR_NONE,
        "protocol": FILLED,
        "name": FILLED,
        "targetPort": {"maximum": 0},
    },
    f"{_NET}.IstioIngressListener": {"": needs("port")},
    f"{_NET}.IstioEgressListener": {"": needs("hosts"), "hosts": SOME},
    f"{_NET}.SidecarPort": {"number": PORT_OR_NONE},
    f"{_NET}.EnvoyFilter": {
        "": rule(
            f"!(has(self.workloadSelector) && {given('targetRefs')})",
            "workloadSelector and targetRefs exclude each other; keep one of them",
        ),
        "targetRefs": REFERENCES,
    },
    f"{_NET}.EnvoyFilter.EnvoyConfigObjectMatch": {
        "": rule(
            "has(self.context) && self.context == 'WAYPOINT' ?"
            " !(has(self.listener) || has(self.routeConfiguration) || has(self.cluster)) : !has(self.waypoint)",
            "waypoint is matched in the context WAYPOINT, and nothing else there",
        )
    },
    "istio.networking.v1beta1.ProxyConfig": {"concurrency": NOT_NEGATIVE},
}
