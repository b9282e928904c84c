"""Webhooks that reach a control plane in another cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping, text
from flotilla_galley.analysis.kinds import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.webhooks import hooks_of

VALIDATOR, INJECTOR = "istio-validator-external-istiod", "istio-sidecar-injector-external-istiod"
_CONCERNED = (VALIDATOR, INJECTOR, "istiod-default-validator")


def look(configuration: Resource, view: View) -> Iterator[Message]:
    """Only where the cluster is one whose control plane is elsewhere. Names are not resolved: nobody is asked."""
    remote = view.get(VALIDATING_WEBHOOKS, "", VALIDATOR) and view.get(MUTATING_WEBHOOKS, "", INJECTOR)
    if remote is None or configuration.name not in _CONCERNED:
        return
    for index, hook in hooks_of(configuration):
        if mapping(hook, "clientConfig", "service"):
            continue
        url, name, field = text(hook, "clientConfig", "url"), text(hook, "name"), f"webhooks[{index}].clientConfig.url"
        host = _host(url)
        if not host:
            problem = "is empty" if not url else "cannot be read"
            yield tell(
                "InvalidExternalControlPlaneConfig", configuration, field, webhook=name, host=url, problem=problem
            )
        elif _is_address(host):
            yield tell("ExternalControlPlaneAddressIsNotAHostname", configuration, field, webhook=name, address=url)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


ANALYZER = Analyzer(
    "externalcontrolplane.ExternalControlPlaneAnalyzer",
    "whether webhooks reach a control plane in another cluster",
    (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS),
    {VALIDATING_WEBHOOKS: look, MUTATING_WEBHOOKS: look},
)
