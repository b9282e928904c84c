"""Two ways to say the same in Envoy's API: the newer one in the words of the older.

Envoy complains of the older ways, so that Pilot does not use them; Istio does.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

_BY_NAME = "envoy.clusters.dns"
_OF_NAMES = ("dnsLookupFamily", "dnsJitter", "dnsRefreshRate", "respectDnsTtl", "typedDnsResolverConfig")


def plain_cluster(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    """A cluster resolved by name with the fields of its own message, where they once were."""
    kind = cluster.get("clusterType", {})
    if kind.get("name") != _BY_NAME:
        return cluster
    config = kind["typedConfig"]
    single = config.get("allAddressesInSingleEndpoint", False)
    told = {name: config[name] for name in _OF_NAMES if name in config}
    rest = {name: value for name, value in cluster.items() if name != "clusterType"}
    return {**rest, "type": "LOGICAL_DNS" if single else "STRICT_DNS", **told}


def plain_names(matchers: list[Any]) -> tuple[str, list[Any]]:
    """The field and matchers of names in certificates: their kinds are left out where the names show them anyway."""
    if all(each.get("sanType") == _kind(each.get("matcher", {})) for each in matchers):
        return "matchSubjectAltNames", [each.get("matcher", {}) for each in matchers]
    return "matchTypedSubjectAltNames", matchers


def _kind(matcher: Mapping[str, str]) -> str:
    name = str(next(iter(matcher.values()), ""))
    if "://" in name:
        return "URI"
    if "@" in name:
        return "EMAIL"
    return "IP_ADDRESS" if _is_address(name) else "DNS"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
