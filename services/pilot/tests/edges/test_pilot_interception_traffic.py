"""Real calls between two pods whose connections are intercepted, through real Envoys."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flotilla_pilot.testing.envoy import envoy_binary
from flotilla_pilot.testing.pods import CALLS

NEEDED = ("ip", "iptables-legacy", "unshare", "curl", "setpriv")


def mesh(mode: str, policy: str) -> str:
    slices = ""
    for name, ports in (
        ("web", "{name: http, port: 8080}, {name: tcp, port: 9000}, {name: any, port: 9001}"),
        ("hl", "{name: http, port: 8080}, {name: tcp, port: 9000}"),
    ):
        slices += f"""
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{ports}]
endpoints:
- {{addresses: [10.9.9.3], conditions: {{ready: true}}, targetRef: {{kind: Pod, name: server-1, namespace: shop}}}}
"""
    return f"""
kind: MeshConfig
spec: {{outboundTrafficPolicy: {{mode: {policy}}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: shop}}
spec: {{mtls: {{mode: {mode}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: server-1, namespace: shop, labels: {{app: server, security.istio.io/tlsMode: istio}}}}
spec: {{serviceAccountName: server}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  clusterIP: 10.96.0.10
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp, port: 9000}}, {{name: any, port: 9001}}]
---
apiVersion: v1
kind: Service
metadata: {{name: hl, namespace: shop}}
spec: {{clusterIP: None, ports: [{{name: http, port: 8080}}, {{name: tcp, port: 9000}}]}}
{slices}"""


def http(caller: str, source: str = "127.0.0.6") -> str:
    return f"http from {source} as {caller} [200]"


CLIENT = "spiffe://cluster.local/ns/shop/sa/client"
TCP, LOST, REFUSED = "tcp from 127.0.0.6: hello", "lost", "[000]"
OUTSIDE_TCP, OUTSIDE_HTTP = "tcp from 10.9.9.2: hello", http("nobody", "10.9.9.2")


def expected(mode: str, policy: str, interception: str) -> dict[str, str]:
    """What comes back: who the server sees, and as whom."""
    found = seen_by_redirection(mode, policy)
    if interception == "TPROXY":
        for name, (pod, *_) in CALLS.items():
            found[name] = found[name].replace("127.0.0.6", "10.9.9.2" if pod else "10.9.9.1")
    return found


def seen_by_redirection(mode: str, policy: str) -> dict[str, str]:
    caller = "nobody" if mode == "DISABLE" else CLIENT
    lets_out, takes_plain = policy == "ALLOW_ANY", mode != "STRICT"
    return {
        "http by host": http(caller),
        "http to nobody": OUTSIDE_HTTP if lets_out else "[502]",
        "tcp by address": TCP,
        "unknown that is http": http(caller),
        "unknown that is tcp": TCP,
        "headless tcp": TCP,
        "headless http": http(caller),
        "tcp to nobody": OUTSIDE_TCP if lets_out else LOST,
        "a port without a service": TCP if lets_out and takes_plain else LOST,
        "the way out itself": LOST,
        "plain http from outside": http("nobody") if takes_plain else REFUSED,
        "plain tcp from outside": TCP if takes_plain else LOST,
        "the way in itself": REFUSED,
    }


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("mode", "policy", "interception"),
    [
        ("STRICT", "ALLOW_ANY", "REDIRECT"),
        ("PERMISSIVE", "REGISTRY_ONLY", "REDIRECT"),
        ("DISABLE", "ALLOW_ANY", "REDIRECT"),
        ("PERMISSIVE", "ALLOW_ANY", "TPROXY"),
    ],
)
def test_calls_between_pods(mode: str, policy: str, interception: str, tmp_path: Path) -> None:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [each for each in NEEDED if shutil.which(each, path=path) is None]
    if os.geteuid() != 0 or missing or envoy_binary() is None:
        pytest.skip(
            f"needs root, Envoy (`make install`) and {', '.join(missing or NEEDED)} (iproute2, iptables, util-linux)"
        )
    file = tmp_path / "mesh.yaml"
    file.write_text(mesh(mode, policy))
    Path("/run/netns").mkdir(exist_ok=True)
    command = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        sys.executable,
        "-m",
        "flotilla_pilot.testing.pods",
        file,
        interception,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == expected(mode, policy, interception)
