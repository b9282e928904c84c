"""A service is limited across all its callers: by one Mixer's memory, and by two Mixers that share a Redis."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from flotilla_cli.mesh import Mesh
from flotilla_cli.plan.plan import CONFIG
from flotilla_cli.run_folder import RunFolder
from flotilla_mixer.testing.redis_server import RedisServer, running_redis

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

# %s: the handler's adapter with its parameters.
LIMIT = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: default}
spec: %s
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec:
  compiledTemplate: quota
  params: {dimensions: {service: destination.service.name}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit-details, namespace: default}
spec: {actions: [{handler: limits, instances: [calls]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: QuotaSpec
metadata: {name: details, namespace: default}
spec: {rules: [{quotas: [{quota: calls, charge: 1}]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: QuotaSpecBinding
metadata: {name: details, namespace: default}
spec:
  services: [{name: details}]
  quotaSpecs: [{name: details}]
"""
# Where productpage and reviews call from.
WAYS_OUT = ("127.0.3.1:15002", "127.0.3.3:15002")
DETAILS = {"host": "details.default.svc.cluster.local:9080"}
EXHAUSTED = "RESOURCE_EXHAUSTED:Quota is exhausted for: calls"
SECOND = "127.0.0.15"
LIMITED = 25


def limit(mesh: Mesh, adapter: str, **params: Any) -> None:
    """Bind the limit to details; it holds in the mesh's own Mixer when this returns."""
    quota = {"name": "calls.instance.default", "maxAmount": LIMITED, "validDuration": "600s"}
    handler = {"compiledAdapter": adapter, "params": {"quotas": [quota | params.pop("quota", {})], **params}}
    mesh.write("limit.yaml", LIMIT % yaml.safe_dump(handler, default_flow_style=True))
    mesh.wait(lambda: in_force(mesh.mixer("config")), "the limit")
    mesh.wait_applied("QuotaSpecBinding", "default", "details")


def in_force(config: Any) -> bool:
    return any(each["rule"].endswith("limit-details") for each in config["actions"])


def call(mesh: Mesh, number: int) -> httpx.Response:
    return mesh.http.get(f"http://{WAYS_OUT[number % 2]}/details/0", headers=DETAILS)


def crowd(number: int, callers: int = 20) -> Counter[int]:
    """Codes of so many calls of details, from two workloads and many callers at once."""
    with httpx.Client(trust_env=False, timeout=20) as http, ThreadPoolExecutor(callers) as pool:
        urls = (f"http://{WAYS_OUT[each % 2]}/details/0" for each in range(number))
        return Counter(pool.map(lambda url: http.get(url, headers=DETAILS).status_code, urls))


def test_a_service_is_limited_across_its_callers(mesh: Mesh) -> None:
    """Two workloads call details; together they get what there is, and 429 for the rest."""
    limit(mesh, "memquota")
    answers = [call(mesh, number) for number in range(LIMITED + 5)]
    assert [each.status_code for each in answers] == [200] * LIMITED + [429] * 5
    assert answers[-1].text == EXHAUSTED


def test_many_callers_at_once_get_no_more(mesh: Mesh) -> None:
    limit(mesh, "memquota")
    assert crowd(60) == {200: LIMITED, 429: 60 - LIMITED}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    yield from running_redis(tmp_path)


class SecondMixer:
    """Another replica, beside the mesh's own: its settings with another address."""

    def __init__(self, mesh: Mesh, folder: Path) -> None:
        self._mesh = mesh
        run = RunFolder(mesh.run_dir)
        settings = yaml.safe_load(run.settings("mixer").read_text()) | {"address": SECOND}
        self._file = folder / "mixer.yaml"
        self._file.write_text(yaml.safe_dump(settings))
        self._log = (folder / "mixer.log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "flotilla_mixer", "serve", "--config", str(self._file)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=os.environ)
        self._mesh.wait(
            lambda: self._mesh.http.get(f"http://{SECOND}:15014/readyz").status_code == 200, "the second Mixer"
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(20) == 0
        self._log.close()

    def config(self) -> Any:
        return self._mesh.ask(f"http://{SECOND}:9876/debug/config")


def checks(mesh: Mesh, address: str) -> int:
    """How many Checks the Mixer there has answered."""
    page = mesh.http.get(f"http://{address}:15014/metrics").text
    return sum(int(float(value)) for value in re.findall(r"^mixer_checks_total{.*} (\S+)$", page, re.M))


def is_asked(mesh: Mesh, workload: str) -> bool:
    """Whether the sidecar has the second Mixer in its cluster."""
    return f"{SECOND}:15004::health_flags::healthy" in mesh.admin(workload, "/clusters").text


@pytest.fixture
def second(mesh: Mesh, tmp_path: Path) -> Iterator[SecondMixer]:
    """The second Mixer, ready, and asked by the sidecar of details in turn with the first."""
    mixer = SecondMixer(mesh, tmp_path)
    file = mesh.plan.directory / CONFIG / "mixer.yaml"
    before = file.read_text()
    try:
        mixer.start()
        mesh.write("mixer.yaml", before.replace("endpoints: [", f"endpoints: [{{address: {SECOND}}}, "))
        mesh.wait(lambda: is_asked(mesh, "details-v1"), "the sidecar to know both")
        yield mixer
        mesh.write("mixer.yaml", before)
        mesh.wait(lambda: not any(is_asked(mesh, name) for name in running(mesh)), "the sidecars to know one")
    finally:
        mixer.stop()


def running(mesh: Mesh) -> list[str]:
    return [name for name, workload in mesh.plan.workloads.items() if workload.start]


@pytest.mark.single_service
@pytest.mark.parametrize("algorithm", ["FIXED_WINDOW", "ROLLING_WINDOW"])
def test_two_mixers_share_one_limit(mesh: Mesh, second: SecondMixer, redis: RedisServer, algorithm: str) -> None:
    quota = {"rateLimitAlgorithm": algorithm, "bucketDuration": "1s"}
    limit(mesh, "redisquota", redisServerUrl=redis.address, quota=quota, timeout="5s")
    mesh.wait(lambda: in_force(second.config()), "the limit in the second Mixer")
    before = [checks(mesh, address) for address in (mesh.plan.addresses["mixer"], SECOND)]
    assert crowd(80) == {200: LIMITED, 429: 80 - LIMITED}
    after = [checks(mesh, address) for address in (mesh.plan.addresses["mixer"], SECOND)]
    assert all(now > then + 5 for now, then in zip(after, before, strict=True)), "both were asked"
    assert call(mesh, 0).text == EXHAUSTED
    with redis.client() as client:
        assert len(list(client.scan_iter("flotilla:quota:{calls.instance.default;service=details}:*"))) > LIMITED


@pytest.mark.parametrize(("choice", "code"), [("REFUSE", 429), ("UNAVAILABLE", 200)])
def test_redis_killed_and_back(mesh: Mesh, redis: RedisServer, choice: str, code: int) -> None:
    limit(mesh, "redisquota", redisServerUrl=redis.address, whenAway=choice, timeout="2s")
    assert call(mesh, 0).status_code == 200
    redis.kill()
    assert crowd(2 * LIMITED) == {code: 2 * LIMITED}, "as the handler chose"
    redis.start()
    mesh.wait(lambda: call(mesh, 0).status_code == 200 and counts(redis), "Redis to be found again")
    assert crowd(2 * LIMITED)[429] > LIMITED


def counts(redis: RedisServer) -> bool:
    """Whether anything has been counted since it began."""
    with redis.client() as client:
        return int(client.dbsize()) > 0  # type: ignore[arg-type]
