"""VirtualService."""

from __future__ import annotations

from helm.generate.rules.terms import (
    FILLED,
    NOT_NEGATIVE,
    PERCENT,
    PORT,
    PORT_OR_NONE,
    SOME,
    SPAN,
    Table,
    needs,
    rule,
)

_NET = "istio.networking.v1alpha3"
_STATUS = {"minimum": 200, "maximum": 600}
_WEIGHTED = {"": needs("destination"), "weight": NOT_NEGATIVE}

ROUTES: Table = {
    f"{_NET}.HTTPRoute": {"timeout": SPAN, "mirrorPercent": {"maximum": 100}},
    f"{_NET}.HTTPRouteDestination": _WEIGHTED,
    f"{_NET}.RouteDestination": _WEIGHTED,
    f"{_NET}.Destination": {"": needs("host"), "host": FILLED},
    f"{_NET}.HTTPMatchRequest": {"port": PORT_OR_NONE},
    f"{_NET}.HTTPRedirect": {
        "redirectCode": rule("self == 0 || (300 <= self && self <= 399)", "must be a status of redirects, 300 to 399"),
        "port": PORT,
        "scheme": {"enum": ["", "http", "https"]},
    },
    f"{_NET}.HTTPDirectResponse": {"": needs("status"), "status": _STATUS},
    f"{_NET}.RegexRewrite": {"": needs("match", "rewrite"), "match": FILLED, "rewrite": FILLED},
    f"{_NET}.HTTPRetry": {"attempts": NOT_NEGATIVE, "perTryTimeout": SPAN, "backoff": SPAN},
    f"{_NET}.HTTPFaultInjection": {"": {"minProperties": 1}},
    f"{_NET}.HTTPFaultInjection.Abort": {"httpStatus": _STATUS},
    f"{_NET}.HTTPFaultInjection.Delay": {"": needs("fixedDelay"), "fixedDelay": SPAN},
    f"{_NET}.CorsPolicy": {"maxAge": SPAN},
    f"{_NET}.HTTPMirrorPolicy": {"": needs("destination")},
    f"{_NET}.Percent": {"value": PERCENT},
    f"{_NET}.TLSRoute": {"": needs("match", "route"), "match": SOME, "route": SOME},
    f"{_NET}.TLSMatchAttributes": {"": needs("sniHosts"), "sniHosts": SOME, "port": PORT_OR_NONE},
    f"{_NET}.TCPRoute": {"": needs("route"), "route": SOME},
    f"{_NET}.L4MatchAttributes": {"port": PORT_OR_NONE},
}
