"""What is lost of an Envoy's reports: the rule, the statistics it reads, and a real Envoy whose Mixer goes and comes."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from flotilla_agent.envoy.admin import Admin
from flotilla_agent.errors import AdminUnavailable
from flotilla_agent.reports.losses import Reports, Sample, read_sample, statistics_pattern
from flotilla_agent.reports.watch import MIXER_CLUSTER, ReportWatch
from flotilla_shared.runtime.serving import GrpcServer

HOST = "istio-policy.istio-system.svc.cluster.local"
CLUSTER = f"cluster.outbound|15004||{HOST}."

# name, samples as (written, active, failed, ended), what is expected in the end
RULE = [
    ("nothing yet", [(0, 0, 0, 0)], Reports()),
    ("delivered", [(0, 0, 0, 0), (5, 1, 0, 0)], Reports(5, 0, 0, True, 0)),
    (
        "the first entries wait for the connection that they cause",
        [(0, 0, 0, 0), (3, 0, 0, 0)],
        Reports(3, 0, 3, False, 0),
    ),
    ("and are delivered by it", [(0, 0, 0, 0), (3, 0, 0, 0), (4, 1, 0, 0)], Reports(4, 0, 0, True, 0)),
    ("or lost with it", [(0, 0, 0, 0), (3, 0, 0, 0), (4, 0, 1, 1)], Reports(4, 4, 0, False, 1)),
    ("a connection that ends takes its second along", [(9, 1, 0, 0), (12, 0, 0, 1)], Reports(12, 3, 0, False, 0)),
    (
        "away, attempt after attempt",
        [(5, 1, 0, 0), (5, 0, 0, 1), (7, 0, 2, 2), (9, 0, 3, 3)],
        Reports(9, 4, 0, False, 3),
    ),
    ("back again", [(5, 1, 0, 0), (7, 0, 1, 1), (9, 1, 1, 1), (20, 1, 1, 1)], Reports(20, 2, 0, True, 1)),
    ("a restart between two looks is not overlooked", [(5, 1, 0, 0), (9, 1, 0, 1)], Reports(9, 4, 0, True, 0)),
    ("an idle connection ends, nothing was written", [(5, 1, 0, 0), (5, 0, 0, 1)], Reports(5, 0, 0, False, 0)),
    ("a new Envoy counts from nothing", [(5, 1, 0, 0), (2, 1, 0, 0)], Reports(7, 0, 0, True, 0)),
    ("a new Envoy without Mixer", [(0, 1, 0, 0), (5, 1, 0, 0), (2, 0, 1, 1)], Reports(7, 2, 0, False, 1)),
]


@pytest.mark.parametrize(("samples", "expected"), [pytest.param(*case[1:], id=case[0]) for case in RULE])
def test_the_rule(samples: list[tuple[int, int, int, int]], expected: Reports) -> None:
    reports, before = Reports(), None
    for values in samples:
        now = Sample(*values)
        reports, before = reports.after(before, now), now
    assert reports == expected


STATISTICS = {
    "access_logs.grpc_access_log.logs_written": 7,
    "access_logs.grpc_access_log.grpc_entries_flushed": 9,
    f"{CLUSTER}upstream_cx_active": 1,
    f"{CLUSTER}upstream_cx_connect_fail": 2,
    f"{CLUSTER}upstream_cx_destroy": 3,
    f"{CLUSTER}upstream_rq_pending_failure_eject": 4,
}


def test_a_sample_of_statistics() -> None:
    assert read_sample(STATISTICS) == Sample(written=9, active=1, failed=6, ended=3)


def test_two_servers_are_added_up() -> None:
    both = STATISTICS | {name.replace("policy", "telemetry"): value for name, value in STATISTICS.items()}
    assert read_sample(both) == Sample(written=9, active=2, failed=12, ended=6)


def test_an_envoy_that_knows_of_no_mixer_has_no_sample() -> None:
    assert read_sample({"access_logs.grpc_access_log.logs_written": 7}) is None
    assert read_sample({}) is None


# a real Envoy


def bootstrap(address: str, mixer_port: int) -> dict[str, Any]:
    """An Envoy that answers 200 to everything, and tells a Mixer of it."""
    log = {
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": "inbound",
                "transport_api_version": "V3",
                "buffer_flush_interval": "0.05s",
                "grpc_service": {"envoy_grpc": {"cluster_name": f"outbound|15004||{HOST}"}},
            },
        },
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "access_log": [log],
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                }
            ]
        },
    }
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": mixer_port}}}}
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    cluster = {
        "name": f"outbound|15004||{HOST}",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "load_assignment": {"cluster_name": "mixer", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {
        "admin": {"address": {"socket_address": {"address": address, "port_value": 15000}}},
        "static_resources": {
            "listeners": [
                {
                    "name": "in",
                    "address": {"socket_address": {"address": address, "port_value": 8080}},
                    "filter_chains": [
                        {"filters": [{"name": "http", "typed_config": manager}]},
                    ],
                }
            ],
            "clusters": [cluster],
        },
    }


class Sink:
    """Takes log streams, and counts messages."""

    def __init__(self) -> None:
        self.messages = 0
        self.server: GrpcServer | None = None

    async def start(self, port: int) -> int:
        handler = grpc.method_handlers_generic_handler(
            "envoy.service.accesslog.v3.AccessLogService",
            {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(self._take)},
        )
        self.server = GrpcServer("127.0.0.1", port, generic_handlers=[handler], grace_seconds=0)
        await self.server.start()
        return self.server.bound_port

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()
            self.server = None

    async def _take(self, _: object, context: Any) -> bytes:
        while await context.read() is not grpc.aio.EOF:
            self.messages += 1
        return b""


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    running = Sink()
    yield running
    await running.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_losses_of_a_real_envoy(envoy: Path, new_address: Callable[[], str], tmp_path: Path, sink: Sink) -> None:
    address, port = new_address(), await sink.start(0)
    config = tmp_path / "envoy.json"
    config.write_text(json.dumps(bootstrap(address, port)))
    command = [str(envoy), "-c", str(config), "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "off"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    async with httpx.AsyncClient(trust_env=False) as client:
        admin = Admin(address, client)
        watch = ReportWatch("test", admin, lambda: True)
        try:
            await _until_live(admin)
            await _ask(client, address, 3)
            await until(lambda: sink.messages > 0)
            await watch.look()
            assert watch.reports == Reports(written=3, connected=True)
            await sink.stop()
            await _ask(client, address, 5)
            await _look_until(watch, lambda found: found.lost >= 5)
            assert watch.reports is not None
            assert not watch.reports.connected
            assert watch.reports.written == 8
            await sink.start(port)
            await _ask(client, address, 1)
            await _look_until(watch, lambda found: found.connected)
            lost = watch.reports.lost
            await _ask(client, address, 4)
            await _look_until(watch, lambda found: found.written == 13)
            assert watch.reports.lost == lost
        finally:
            process.terminate()
            process.wait(10)


async def _until_live(admin: Admin) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if await admin.state() == "LIVE":
                    return
            except AdminUnavailable:
                await asyncio.sleep(0.05)


async def _ask(client: httpx.AsyncClient, address: str, times: int) -> None:
    for _ in range(times):
        assert (await client.get(f"http://{address}:8080/")).status_code == 200


async def _look_until(watch: ReportWatch, condition: Callable[[Reports], bool]) -> None:
    async with asyncio.timeout(20):
        while watch.reports is None or not condition(watch.reports):
            await watch.look()
            await asyncio.sleep(0.05)


def test_the_pattern_asks_for_mixer_alone() -> None:
    import re

    pattern = re.compile(statistics_pattern(MIXER_CLUSTER))
    assert all(pattern.search(name) for name in STATISTICS)
    for other in ("cluster.outbound|9080||reviews.upstream_cx_active", f"{CLUSTER}upstream_cx_total", "access_logs.x"):
        assert not pattern.search(other)
