"""Where the control plane is, and who asks: a pod's environment and files, under the names that workloads have too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flotilla_shared.model.spiffe import spiffe_id


@dataclass(frozen=True)
class Place:
    """`addresses` is for tests: host -> host:port in place of what DNS would say, by `host:port`."""

    namespace: str
    service_account: str
    pod: str
    address: str
    root_namespace: str
    trust_domain: str
    root_file: Path
    token_file: Path
    addresses: Mapping[str, str]

    @classmethod
    def of(cls, environment: Mapping[str, str], root: Path, addresses: Mapping[str, str] | None = None) -> Place:
        """`root` is the folder under which a pod's files are mounted."""
        return cls(
            namespace=environment.get("POD_NAMESPACE", "default"),
            service_account=environment.get("SERVICE_ACCOUNT", "default"),
            pod=environment.get("POD_NAME", "verify"),
            address=environment.get("INSTANCE_IP", "127.0.0.1"),
            root_namespace=environment.get("ROOT_NAMESPACE", "istio-system"),
            trust_domain=environment.get("TRUST_DOMAIN", "cluster.local"),
            root_file=root / "var/run/secrets/istio/root-cert.pem",
            token_file=root / "var/run/secrets/tokens/istio-token",
            addresses=addresses or {},
        )

    @property
    def identity(self) -> str:
        return spiffe_id(self.trust_domain, self.namespace, self.service_account)

    def host(self, service: str) -> str:
        """The name that the service's certificate carries."""
        return f"istio-{service}.{self.root_namespace}.svc"

    def target(self, service: str, port: int) -> str:
        """host:port to connect to."""
        named = f"{self.host(service)}:{port}"
        return self.addresses.get(named, named)
