"""All analyzers, by Istio's age. A module is listed here once; a test holds that none is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flotilla_galley.analysis.analyzer import Analyzer
from flotilla_galley.analysis.analyzers import (
    annotations_alpha,
    annotations_known,
    application_uid,
    auth_policies,
    authn_blocked_addresses,
    conditions,
    deployment_services,
    deprecation,
    destinationrule_certificates,
    destinationrule_subsets,
    envoyfilter_patches,
    external_control_plane,
    gateway_api_selectors,
    gateway_api_versions,
    gateway_certificates,
    gateway_conflicts,
    gateway_ports,
    gateway_secrets,
    injection,
    injection_image_auto,
    injection_images,
    mesh_networks,
    multicluster_services,
    schema_validation,
    service_port_names,
    serviceentry_addresses,
    serviceentry_protocols,
    sidecar_selector,
    telemetry_defaults,
    telemetry_lightstep,
    telemetry_providers,
    telemetry_selectors,
    virtualservice_destination_hosts,
    virtualservice_gateways,
    virtualservice_jwt_claims,
    virtualservice_mesh_hosts,
    virtualservice_subsets,
    webhook,
)
from flotilla_galley.analysis.analyzers_of_1_4 import (
    auth_jwt_ports,
    auth_service_role_bindings,
    auth_service_roles,
    injection_versions,
)
from flotilla_galley.analysis.analyzers_of_1_4 import deprecation as deprecation_of_1_4
from flotilla_galley.analysis.analyzers_of_1_4 import injection as injection_of_1_4

RuleSet = Literal["today", "1.4"]


def _by_name(*analyzers: Analyzer) -> tuple[Analyzer, ...]:
    return tuple(sorted(analyzers, key=lambda each: each.name))


TODAY: tuple[Analyzer, ...] = _by_name(
    annotations_known.ANALYZER,
    annotations_alpha.ANALYZER,
    application_uid.ANALYZER,
    conditions.ANALYZER,
    deployment_services.ANALYZER,
    external_control_plane.ANALYZER,
    gateway_api_selectors.ANALYZER,
    gateway_api_versions.ANALYZER,
    injection.ANALYZER,
    injection_image_auto.ANALYZER,
    injection_images.ANALYZER,
    service_port_names.ANALYZER,
    telemetry_defaults.ANALYZER,
    telemetry_lightstep.ANALYZER,
    telemetry_providers.ANALYZER,
    telemetry_selectors.ANALYZER,
    webhook.ANALYZER,
    auth_policies.ANALYZER,
    authn_blocked_addresses.ANALYZER,
    deprecation.ANALYZER,
    destinationrule_certificates.ANALYZER,
    destinationrule_subsets.ANALYZER,
    envoyfilter_patches.ANALYZER,
    gateway_certificates.ANALYZER,
    gateway_conflicts.ANALYZER,
    gateway_ports.ANALYZER,
    gateway_secrets.ANALYZER,
    mesh_networks.ANALYZER,
    multicluster_services.ANALYZER,
    *schema_validation.ANALYZERS,
    serviceentry_addresses.ANALYZER,
    serviceentry_protocols.ANALYZER,
    sidecar_selector.ANALYZER,
    sidecar_selector.DEFAULT_ANALYZER,
    virtualservice_destination_hosts.ANALYZER,
    virtualservice_gateways.ANALYZER,
    virtualservice_jwt_claims.ANALYZER,
    virtualservice_mesh_hosts.ANALYZER,
    virtualservice_subsets.ANALYZER,
)
# Those of today's that 1.4 had too, with the same findings, and its own.
OF_1_4: tuple[Analyzer, ...] = _by_name(
    *schema_validation.ANALYZERS,
    auth_jwt_ports.ANALYZER,
    auth_service_role_bindings.ANALYZER,
    auth_service_roles.ANALYZER,
    annotations_known.ANALYZER_OF_1_4,
    deprecation_of_1_4.ANALYZER,
    injection_of_1_4.ANALYZER,
    injection_versions.ANALYZER,
    gateway_ports.ANALYZER_OF_1_4,
    sidecar_selector.ANALYZER_OF_1_4,
    sidecar_selector.DEFAULT_ANALYZER,
    virtualservice_destination_hosts.ANALYZER_OF_1_4,
    virtualservice_gateways.ANALYZER_OF_1_4,
    virtualservice_mesh_hosts.ANALYZER,
    virtualservice_subsets.ANALYZER,
)
BY_RULE_SET = {"today": TODAY, "1.4": OF_1_4}


def chosen(rule_set: RuleSet = "today", names: Sequence[str] = ()) -> tuple[Analyzer, ...]:
    """The analyzers that run by default, or those that are named. Raises ValueError for a name that there is not."""
    known = {each.name: each for each in BY_RULE_SET[rule_set]}
    for name in names:
        if name not in known:
            raise ValueError(f"there is no analyzer {name!r}; `flotilla analyze -L` lists those that there are")
    if names:
        return tuple(known[name] for name in sorted(set(names)))
    return tuple(each for each in known.values() if each.by_default)
