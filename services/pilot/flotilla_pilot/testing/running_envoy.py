"""A real Envoy that takes its configuration from a Pilot under test."""

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from envoy.config.core.v3.base_pb2 import Node
from google.protobuf import json_format

from flotilla_pilot.compile.regex import PROGRAM_LIMIT
from flotilla_pilot.delivery.request import Dialect
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.testing.ports import free_port

START_SECONDS = 30.0
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def bootstrap(
    node: Node, admin_port: int, pilot_port: int, certificate: Certificate, dialect: Dialect, sds: Path | None = None
) -> dict[str, Any]:
    """ADS from 127.0.0.1:`pilot_port` with `certificate`, which stands in the file; secrets from the socket `sds`.

    Without a socket the cluster sds-grpc exists and gives none.
    """
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    backoff = {"base_interval": "0.05s", "max_interval": "0.2s"}
    runtime = {"name": "static", "static_layer": {"re2.max_program_size.error_level": PROGRAM_LIMIT}}
    return {
        "node": json_format.MessageToDict(node),
        "layered_runtime": {"layers": [runtime]},
        "admin": {"address": _address(admin_port)},
        "dynamic_resources": {
            "lds_config": ads,
            "cds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC" if dialect == "delta" else "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [
                    {"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": {"retry_back_off": backoff}}}
                ],
            },
        },
        "static_resources": {
            "clusters": [
                {
                    **_cluster("xds-grpc", _address(pilot_port)),
                    "transport_socket": {"name": "tls", "typed_config": _mutual_tls(certificate)},
                },
                _cluster("sds-grpc", {"pipe": {"path": str(sds)}} if sds else _address(admin_port)),
            ]
        },
    }


def _mutual_tls(certificate: Certificate) -> dict[str, Any]:
    return {
        "@type": _TLS,
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_certificates": [
                {
                    "certificate_chain": {"inline_string": certificate.chain_pem.decode()},
                    "private_key": {"inline_string": certificate.key_pem.decode()},
                }
            ],
            "validation_context": {"trusted_ca": {"inline_string": certificate.root_pem.decode()}},
        },
    }


def _nobody_to_ask() -> dict[str, Any]:
    """DNS where every question is refused at once: clusters by name need not be waited for."""
    kind = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    settings = {"@type": kind, "resolvers": [_address(1)], "query_timeout_seconds": "1", "query_tries": 1}
    return {"name": "envoy.network.dns_resolver.cares", "typed_config": settings}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, address: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }


class RunningEnvoy:
    """One Envoy process, and what its admin port says. With `resolves` off no name is ever resolved."""

    def __init__(
        self,
        binary: Path,
        folder: Path,
        node: Node,
        pilot_port: int,
        certificate: Certificate,
        dialect: Dialect,
        sds: Path | None = None,
        *,
        drain_seconds: int = 600,
        resolves: bool = True,
    ) -> None:
        self._binary = binary
        self._drain_seconds = drain_seconds
        self._folder = folder
        self._port = free_port()
        self._bootstrap = bootstrap(node, self._port, pilot_port, certificate, dialect, sds)
        if not resolves:
            self._bootstrap["typed_dns_resolver_config"] = _nobody_to_ask()
        self.log = folder / "envoy.log"

    async def __aenter__(self) -> Self:
        folder = self._folder.absolute()  # also of files that a configuration names without a whole path
        file = folder / "bootstrap.json"
        file.write_text(json.dumps(self._bootstrap))
        file.chmod(0o600)
        arguments = ["-c", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        arguments += ["--drain-time-s", str(self._drain_seconds)]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self._binary.absolute()), *arguments, cwd=folder, stdout=log, stderr=log
            )
        limits = httpx.Limits(max_keepalive_connections=0)  # a test that asks leaves no connection behind
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", trust_env=False, limits=limits)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    async def ready(self) -> None:
        """Wait until it is LIVE: clusters, listeners and routes have come."""
        loop = asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        while not await self._is_live():
            assert self._process.returncode is None, self.log.read_text()
            assert loop.time() < end, self.log.read_text()
            await asyncio.sleep(0.02)

    async def _is_live(self) -> bool:
        try:
            return (await self._http.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def statistic(self, name: str) -> int:
        """One counter or gauge, by its exact name."""
        answer = await self._http.get("/stats", params={"filter": f"^{name}$", "format": "json"})
        return sum(int(each.get("value", 0)) for each in answer.json()["stats"])

    async def rejected(self) -> dict[str, int]:
        """Every update_rejected that is not 0."""
        answer = await self._http.get("/stats", params={"filter": "update_rejected$", "format": "json"})
        return {each["name"]: each["value"] for each in answer.json()["stats"] if each.get("value")}

    async def listeners(self) -> list[str]:
        answer = await self._http.get("/listeners", params={"format": "json"})
        return [each["name"] for each in answer.json().get("listener_statuses", [])]

    async def clusters(self) -> list[str]:
        answer = await self._http.get("/clusters", params={"format": "json"})
        return sorted(each["name"] for each in answer.json()["cluster_statuses"] if each.get("added_via_api"))
