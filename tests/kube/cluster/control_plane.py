"""etcd, the API server, the controllers and the scheduler: how they are run, and when they are ready."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.kube.cluster import health
from tests.kube.cluster.layout import API_PORT, DOMAIN, NODE_ADDRESS, SERVICE_RANGE, Layout
from tests.kube.cluster.process import Component

_CLIENTS = "http://127.0.0.1:2379"
_PEERS = "http://127.0.0.1:2380"


def etcd(layout: Layout, binaries: Path) -> Component:
    command = (
        str(binaries / "etcd"),
        "--name=node1",
        f"--data-dir={layout.node}/etcd",
        f"--listen-client-urls={_CLIENTS}",
        f"--advertise-client-urls={_CLIENTS}",
        f"--listen-peer-urls={_PEERS}",
        f"--initial-advertise-peer-urls={_PEERS}",
        f"--initial-cluster=node1={_PEERS}",
        "--unsafe-no-fsync",
    )
    return Component("etcd", command, partial(health.answers, 2379, "/health"))


# Of service accounts only, and not what was asked: a watch counts from its start, everything else when it is answered.
_AUDIT: dict[str, object] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}


def apiserver(layout: Layout, binaries: Path) -> Component:
    keys = layout.keys
    (layout.settings / "audit-policy.yaml").write_text(json.dumps(_AUDIT))
    command = (
        str(binaries / "kube-apiserver"),
        f"--etcd-servers={_CLIENTS}",
        "--bind-address=0.0.0.0",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--client-ca-file={keys}/ca.crt",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # Who asked for what, and was it given: tests of rights read it.
        f"--audit-policy-file={layout.settings}/audit-policy.yaml",
        f"--audit-log-path={layout.audit}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
        f"--service-account-key-file={keys}/sa.pub",
        f"--service-account-signing-key-file={keys}/sa.key",
        f"--kubelet-client-certificate={keys}/apiserver-to-kubelet.crt",
        f"--kubelet-client-key={keys}/apiserver-to-kubelet.key",
        "--kubelet-preferred-address-types=InternalIP",  # a node's name is in no DNS: exec and logs would hang
        f"--proxy-client-cert-file={keys}/front-proxy.crt",
        f"--proxy-client-key-file={keys}/front-proxy.key",
        # With one authority for clients and front proxies, it starts only if the latter are named.
        f"--requestheader-client-ca-file={keys}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    )

    def ready() -> str:
        return health.answers(API_PORT, "/readyz", tls=health.as_admin(layout), host=NODE_ADDRESS)

    return Component("kube-apiserver", command, ready)


def controllers(layout: Layout, binaries: Path) -> Component:
    """Ready when a pod can be made: the default service account and the root's ConfigMap are there."""
    own = layout.kubeconfig("controllers")
    command = (
        str(binaries / "kube-controller-manager"),
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        f"--service-account-private-key-file={layout.keys}/sa.key",
        f"--root-ca-file={layout.keys}/ca.crt",
        f"--cluster-signing-cert-file={layout.keys}/ca.crt",
        f"--cluster-signing-key-file={layout.keys}/ca.key",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
    )

    def ready() -> str:
        return (
            health.answers(10257, "/healthz", tls=health.unverified())
            or health.exists(layout, "/api/v1/namespaces/default/serviceaccounts/default")
            or health.exists(layout, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
        )

    return Component("kube-controller-manager", command, ready)


def scheduler(layout: Layout, binaries: Path) -> Component:
    own = layout.kubeconfig("scheduler")
    command = (
        str(binaries / "kube-scheduler"),
        f"--kubeconfig={own}",
        f"--authentication-kubeconfig={own}",
        f"--authorization-kubeconfig={own}",
        "--leader-elect=false",
    )
    return Component("kube-scheduler", command, lambda: health.answers(10259, "/healthz", tls=health.unverified()))
