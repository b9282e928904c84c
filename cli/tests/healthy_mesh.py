"""A cluster with a mesh that is well, in a test's API server; tests take something away from it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla_cli.health.cluster import DEPLOYMENTS, SERVICES
from flotilla_cli.health.kinds import wanted
from flotilla_cli.health.trust import MARK
from flotilla_shared.runtime.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    LEASES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    PODS,
    VALIDATING_WEBHOOKS,
    Resource,
)
from flotilla_shared.testing.apiserver import ApiServer


def root_certificate(days: int = 3650) -> str:
    """One that lives for so many days from now on."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    )
    builder = builder.not_valid_before(now - timedelta(days=99)).not_valid_after(now + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


ROOT_PEM, OTHER_PEM = root_certificate(), root_certificate()
NS = "istio-system"
OURS = "istio-system/cluster.local/default"


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def webhook(
    name: str, service: str, *selectors: dict[str, Any], policy: str = "Fail", root: str = ROOT_PEM, ns: str = NS
) -> dict[str, Any]:
    bundle = {"caBundle": base64.b64encode(root.encode()).decode()} if root else {}
    return {
        "name": name,
        "clientConfig": {"service": {"namespace": ns, "name": f"istio-{service}"}, **bundle},
        "failurePolicy": policy,
        "namespaceSelector": {"matchExpressions": list(selectors)},
    }


def injectors(policy: str = "Fail", root: str = ROOT_PEM, ns: str = NS) -> list[dict[str, Any]]:
    enabled, default = expression("istio-injection", "In", "enabled"), expression("istio.io/rev", "In", "default")
    names = (("namespace", enabled), ("rev.namespace", default))
    return [
        webhook(f"{name}.sidecar-injector.istio.io", "pilot", each, policy=policy, root=root, ns=ns)
        for name, each in names
    ]


def validators(root: str = ROOT_PEM) -> list[dict[str, Any]]:
    return [
        webhook("validation.istio.io", "galley", root=root),
        webhook("root.validation.istio.io", "galley", policy="Ignore", root=root),
    ]


class Mesh:
    """A cluster with a mesh that is well. `make` writes an object, as whoever made it would."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def make(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        **content: Any,
    ) -> None:
        metadata = {"labels": labels or {}, "annotations": annotations or {}}
        status = content.pop("status", None)
        self.server.put(resource, name, namespace, metadata=metadata, **content)
        if status is not None:
            self.server.put(resource, name, namespace, status=status)

    def remove(self, resource: Resource, name: str, namespace: str = "") -> None:
        self.server.remove(resource, name, namespace)

    def install(self) -> None:
        for name, kind in wanted().items():
            self.crd(name, kind.versions[0])
        for namespace, labels in (
            (NS, {}),
            ("kube-system", {}),
            ("kube-public", {}),
            ("shop", {"istio-injection": "enabled"}),
        ):
            self.make(NAMESPACES, namespace, labels=labels)
            if namespace != "kube-public":
                self.root(namespace)
        for service in (*SERVICES, "ingressgateway"):
            self.deployment(service)
        self.make(CONFIG_MAPS, "istio", NS, data={"mesh": "trustDomain: cluster.local\n"})
        self.make(MUTATING_WEBHOOKS, "istio-sidecar-injector", webhooks=injectors())
        self.make(VALIDATING_WEBHOOKS, "istio-galley", webhooks=validators())
        self.pod("cart-1", containers=["cart", "istio-proxy"])
        self.pod("stock-1", containers=["stock"], init=["istio-init", "istio-proxy"])
        for service in ("citadel", "galley"):
            self.lease(service)

    def crd(self, name: str, version: str, established: str = "True") -> None:
        conditions = [{"type": "Established", "status": established}]
        self.make(CRDS, name, spec={"versions": [{"name": version, "served": True}]}, status={"conditions": conditions})

    def root(self, namespace: str, pem: str = ROOT_PEM, mark: str | None = OURS) -> None:
        marked = {MARK: mark} if mark else {}
        self.make(CONFIG_MAPS, "istio-ca-root-cert", namespace, annotations=marked, data={"root-cert.pem": pem})

    def deployment(self, service: str, ready: int = 2, wants: int = 2, domain: str = "cluster.local") -> None:
        env = [{"name": f"FLOTILLA_{service.upper()}_TRUST_DOMAIN", "value": domain}]
        template = {"spec": {"containers": [{"name": service, "env": env}]}}
        spec, status = {"replicas": wants, "template": template}, {"readyReplicas": ready}
        self.make(DEPLOYMENTS, f"istio-{service}", NS, spec=spec, status=status)

    def pod(
        self,
        name: str,
        namespace: str = "shop",
        *,
        containers: list[str],
        init: list[str] | None = None,
        labels: dict[str, str] | None = None,
        phase: str = "Running",
        **spec: Any,
    ) -> None:
        content = {
            "containers": [{"name": each} for each in containers],
            "initContainers": [{"name": each} for each in init or []],
            **spec,
        }
        self.make(PODS, name, namespace, labels=labels, spec=content, status={"phase": phase})

    def lease(self, service: str, holder: str = "pod-1", age_seconds: int = 1) -> None:
        renewed = (datetime.now(UTC) - timedelta(seconds=age_seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}
        self.make(LEASES, f"istio-{service}-leader", NS, spec=spec)
