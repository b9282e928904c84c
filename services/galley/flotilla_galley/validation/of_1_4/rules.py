"""Which rules Istio 1.4 has for a kind, where they are others than those that hold without a rule set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.of_1_4 import (
    authorization_policy,
    destination_rule,
    envoy_filter,
    gateway,
    mesh_config,
    mixer_clients,
    service_entry,
    sidecar,
    virtual_service,
)
from flotilla_galley.validation.of_1_4.mixer_legacy import LEGACY_RULES
from flotilla_shared.model import kinds

Rules = Callable[[Any, Report, str], None]

RULES_OF_1_4: Mapping[str, Rules] = {
    kinds.VIRTUAL_SERVICES: virtual_service.validate,
    kinds.DESTINATION_RULES: destination_rule.validate,
    kinds.GATEWAYS: gateway.validate,
    kinds.SERVICE_ENTRIES: service_entry.validate,
    kinds.SIDECARS: sidecar.validate,
    kinds.ENVOY_FILTERS: envoy_filter.validate,
    kinds.AUTHORIZATION_POLICIES: authorization_policy.validate,
    kinds.HTTP_API_SPECS: mixer_clients.http_api_spec,
    kinds.MESH_CONFIG: mesh_config.validate,
}


def rules_of_1_4(collection: str) -> Rules | None:
    """None where the rules are those that hold without a rule set, or where 1.4 has no such kind."""
    return RULES_OF_1_4.get(collection) or LEGACY_RULES.get(collection)
