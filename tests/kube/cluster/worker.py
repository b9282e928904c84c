"""containerd, kubelet and kube-proxy: how they are run, and when they are ready.

The settings fit a root without CAP_SYS_RESOURCE and both versions of cgroups, which is what machines of tests have.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.kube.cluster import health
from tests.kube.cluster.layout import DNS_ADDRESS, DOMAIN, NODE_ADDRESS, NODE_NAME, POD_RANGE, Layout
from tests.kube.cluster.node import Node
from tests.kube.cluster.process import Component

PAUSE_IMAGE = "localhost/flotilla/pause:test"
CNI_PROGRAMS = "/usr/lib/cni"


def containerd(node: Node) -> Component:
    layout = node.layout
    (layout.settings / "cni").mkdir(exist_ok=True)
    _write_json(layout.settings / "cni" / "10-pods.conflist", _cni(layout))
    settings = layout.settings / "containerd.toml"
    _write(settings, _containerd_settings(layout))

    def ready() -> str:
        done = subprocess.run(ctr(node, "version"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout.strip() if done.returncode else ""

    return Component("containerd", ("containerd", "--config", str(settings)), ready)


def ctr(node: Node, *arguments: str) -> list[str]:
    """The command line that asks the node's containerd, in the namespace that kubelet uses."""
    return node.inside("ctr", "--address", str(node.layout.containerd_socket), "--namespace", "k8s.io", *arguments)


def kubelet(layout: Layout, binaries: Path) -> Component:
    settings = layout.settings / "kubelet.json"
    _write_json(settings, _kubelet_settings(layout))
    _write(layout.settings / "resolv.conf", "")
    command = (
        str(binaries / "kubelet"),
        f"--config={settings}",
        f"--kubeconfig={layout.kubeconfig('kubelet')}",
        f"--root-dir={layout.node}/kubelet",
        f"--cert-dir={layout.node}/kubelet-pki",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
    )
    return Component("kubelet", command, lambda: health.node_is_ready(layout))


def kube_proxy(layout: Layout, binaries: Path) -> Component:
    settings = layout.settings / "kube-proxy.json"
    _write_json(settings, _kube_proxy_settings(layout))
    command = (str(binaries / "kube-proxy"), f"--config={settings}")
    return Component("kube-proxy", command, lambda: health.answers(10256, "/healthz"))


def _cni(layout: Layout) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": f"{layout.node}/addresses",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, ports]}


def _containerd_settings(layout: Layout) -> str:
    """runc by its name: Debian's crun refuses mixed cgroups. Without restrict_oom_score_adj no sandbox starts
    where root may not lower the score."""
    runtime = 'plugins."io.containerd.grpc.v1.cri".containerd'
    return f"""version = 2
root = "{layout.node}/containerd"
state = "/run/containerd"
[grpc]
  address = "{layout.containerd_socket}"
[ttrpc]
  address = "{layout.containerd_socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
[{runtime}]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[{runtime}.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{runtime}.runtimes.runc.options]
  SystemdCgroup = false
  BinaryName = "{shutil.which("runc") or "runc"}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI_PROGRAMS}"
  conf_dir = "{layout.settings}/cni"
"""


def _kubelet_settings(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{layout.keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": DOMAIN,
        "clusterDNS": [DNS_ADDRESS],
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": f"{layout.settings}/resolv.conf",
        "volumePluginDir": f"{layout.node}/volume-plugins",
        # The node's disk is memory: only a nearly full one counts, and images are never collected.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }


def _kube_proxy_settings(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("proxy"))},
        "mode": "iptables",
        # A Service follows its pods at once, not up to a second later: tests wait for it.
        "iptables": {"minSyncPeriod": "10ms"},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": NODE_NAME,
        # Only the machine's own network may set these.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _write_json(file: Path, content: dict[str, object]) -> None:
    _write(file, json.dumps(content, indent=1))


def _write(file: Path, text: str) -> None:
    """Leaves a file that says it already: kube-proxy ends when its own is written to."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
