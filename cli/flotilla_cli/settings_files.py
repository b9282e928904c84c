"""The settings that `flotilla up` gives each service and the agent: YAML files in the run folder.

Each key is a settings field of the service (`python -m flotilla_pilot print-config` lists them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from flotilla_cli.credentials.files import write_private
from flotilla_cli.credentials.tokens import AUDIENCE, ISSUER
from flotilla_cli.options import UpOptions
from flotilla_cli.plan.plan import Plan, Workload
from flotilla_cli.run_folder import RunFolder

ROOT_NAMESPACE = "istio-system"
TRUST_DOMAIN = "cluster.local"
# Changes on one machine come from one hand at an editor: nothing is gained by waiting for more of them.
DEBOUNCE_SECONDS = 0.01
DRAIN_SECONDS = 1


def service_account(service: str) -> str:
    return f"istio-{service}-service-account"


def identity(service: str, trust_domain: str = TRUST_DOMAIN) -> str:
    return f"spiffe://{trust_domain}/ns/{ROOT_NAMESPACE}/sa/{service_account(service)}"


def server_name(service: str) -> str:
    return f"istio-{service}.{ROOT_NAMESPACE}.svc"


def trust_domain(plan: Plan) -> str:
    """The mesh configuration's; Citadel and the agents take it from their settings."""
    try:
        content = yaml.load(plan.mesh_file.read_text(), Loader=yaml.CSafeLoader)
    except (OSError, yaml.YAMLError):
        return TRUST_DOMAIN
    found = content.get("trustDomain") if isinstance(content, dict) else None
    return str(found) if found else TRUST_DOMAIN


class SettingsFiles:
    """Writes them for one mesh."""

    def __init__(self, plan: Plan, folder: RunFolder, options: UpOptions, envoy: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._options = options
        self._envoy = envoy
        self._domain = trust_domain(plan)

    def write_services(self) -> None:
        """Those of the four services, and the list of who may ask Galley for what."""
        self._write(self._folder.access, access_list(self._domain))
        for service, own in (
            ("citadel", self._citadel()),
            ("galley", self._galley()),
            ("pilot", self._galley_client("pilot")),
            ("mixer", self._mixer()),
        ):
            self._write(self._folder.settings(service), self._shared(service) | own)

    def write_agent(self, workloads: Iterable[Workload]) -> None:
        """The agent's, with these workloads."""
        content = {
            "run_dir": str(self._folder.path),
            "envoy": str(self._envoy),
            "trust_domain": self._domain,
            "citadel": {
                "address": f"{self._plan.addresses['citadel']}:8060",
                "server_name": server_name("citadel"),
                "root_cert_file": str(self._folder.root_cert),
            },
            "pilot": {
                "address": f"{self._plan.addresses['pilot']}:15012",
                "server_name": server_name("pilot"),
                "identity": identity("pilot", self._domain),
            },
            "control_socket": str(self._folder.agent_socket),
            "certificate_ttl_seconds": self._options.certificate_seconds,
            "drain_seconds": DRAIN_SECONDS,
            "delta": self._options.delta,
            "log_level": self._options.log_level,
            "workloads": [self.agent_workload(workload) for workload in workloads],
        }
        self._write(self._folder.settings("agent"), content)

    def agent_workload(self, workload: Workload) -> dict[str, Any]:
        """One workload as the agent takes it, in its file and on its control socket."""
        return {
            "name": workload.name,
            "namespace": workload.namespace,
            "service_account": workload.service_account,
            "kind": workload.kind,
            "address": workload.address,
            "application_address": workload.application_address,
            "labels": dict(workload.labels),
            "token_file": str(self._folder.token(workload.name)),
        }

    def _shared(self, service: str) -> dict[str, Any]:
        return {
            "address": self._plan.addresses[service],
            "trust_domain": self._domain,
            "root_namespace": ROOT_NAMESPACE,
            "log_level": self._options.log_level,
        }

    def _client(self, service: str) -> dict[str, Any]:
        return {
            "citadel_address": f"{self._plan.addresses['citadel']}:8060",
            "root_cert_file": str(self._folder.root_cert),
            "token_file": str(self._folder.token(service)),
            "service_account": service_account(service),
        }

    def _citadel(self) -> dict[str, Any]:
        return {
            "store_dir": str(self._folder.store),
            "oidc_issuer": ISSUER,
            "oidc_jwks_file": str(self._folder.jwks),
            "oidc_audiences": [AUDIENCE],
            "publish_root_file": str(self._folder.root_cert),
        }

    def _galley(self) -> dict[str, Any]:
        return self._client("galley") | {
            "config_dir": str(self._plan.config_dir),
            "mesh_config_file": str(self._plan.mesh_file),
            "last_good_dir": str(self._folder.last_good),
            "access_file": str(self._folder.access),
            "debounce_seconds": DEBOUNCE_SECONDS,
        }

    def _galley_client(self, service: str) -> dict[str, Any]:
        return self._client(service) | {
            "galley_address": f"{self._plan.addresses['galley']}:9901",
            "debounce_seconds": DEBOUNCE_SECONDS,
        }

    def _mixer(self) -> dict[str, Any]:
        # Who writes the configuration of this machine's mesh runs Mixer, too, and may read what it reads.
        return self._galley_client("mixer") | {"secret_folders": ["/"]}

    @staticmethod
    def _write(file: Path, content: object) -> None:
        write_private(file, yaml.safe_dump(content, sort_keys=False))


def access_list(domain: str) -> list[Mapping[str, Any]]:
    """Who may ask Galley for which collections: Pilot, for those that it compiles, and Mixer."""
    from flotilla_shared.model import kinds
    from flotilla_shared.model.legacy_kinds import LEGACY_COLLECTIONS

    compiled = [
        kinds.MESH_CONFIG,
        kinds.SERVICE_ENTRIES,
        kinds.WORKLOAD_ENTRIES,
        kinds.SIDECARS,
        kinds.GATEWAYS,
        kinds.VIRTUAL_SERVICES,
        kinds.DESTINATION_RULES,
        kinds.PEER_AUTHENTICATIONS,
        kinds.POLICIES,
        kinds.MESH_POLICIES,
        kinds.ENVOY_FILTERS,
    ]
    dispatched = [
        kinds.MESH_CONFIG,
        kinds.RULES,
        kinds.HANDLERS,
        kinds.INSTANCES,
        kinds.TEMPLATES,
        kinds.ADAPTERS,
        kinds.ATTRIBUTE_MANIFESTS,
        kinds.QUOTA_SPECS,
        kinds.QUOTA_SPEC_BINDINGS,
        kinds.HTTP_API_SPECS,
        kinds.HTTP_API_SPEC_BINDINGS,
        kinds.WORKLOAD_ENTRIES,
        kinds.SERVICE_ENTRIES,
        *LEGACY_COLLECTIONS,
        kinds.AUTHORIZATION_POLICIES,
        kinds.SERVICE_ROLES,
        kinds.SERVICE_ROLE_BINDINGS,
        kinds.RBAC_CONFIGS,
        kinds.CLUSTER_RBAC_CONFIGS,
    ]
    return [
        {"identity": identity("pilot", domain), "collections": compiled},
        {"identity": identity("mixer", domain), "collections": dispatched},
    ]
