"""moto's server of a test's own: a program that speaks most of AWS's API and answers what was stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from flotilla_shared.testing.ports import free_port

MISSING = "there is no moto: `make .venv/backends/installed`, or name a Python that has it by FLOTILLA_MOTO"
REGION = "eu-central-1"
PAGE = 10_000  # events of an answer
# moto's server as its own command starts it, which also says how much it holds: a number for each line that it reads.
# After `end`, or when nobody is there to write, it is gone at once.
PROGRAM = """
import logging, os, sys, threading
from werkzeug.serving import make_server
from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

def held():
    clouds = [each for regions in list(cloudwatch_backends.values()) for each in list(regions.values())]
    logs = [each for regions in list(logs_backends.values()) for each in list(regions.values())]
    values = sum(int(getattr(datum, "sample_count", 1)) for cloud in clouds for datum in list(cloud.metric_data))
    groups = [group for each in logs for group in list(each.groups.values())]
    return values + sum(len(stream.events) for group in groups for stream in list(group.streams.values()))

def answer():
    for line in sys.stdin:
        print(held(), flush=True)
        if line == "end\\n":
            break
    os._exit(0)

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=True)
threading.Thread(target=answer, daemon=True).start()
print("ready", flush=True)
server.serve_forever()
"""


def moto_python() -> Path:
    """That of the environment of backends. Where it is missing the test is skipped, and in CI fails."""
    named = os.environ.get("FLOTILLA_MOTO")
    program = Path(named) if named else Path(sys.prefix) / "backends" / "bin" / "python"
    if not program.exists():
        _missing()
    return program


def _missing() -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


class MotoServer:
    """One process at a time, always on one port. It keeps nothing when it is stopped; `received` does."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self._before = self._seen = 0  # what those that ended have received, and what is known of all
        self._held = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it takes connections. RuntimeError with its own words when it ends before."""
        command = [str(moto_python()), "-c", PROGRAM, str(self.port)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)  # noqa: S603
        assert process.stdout is not None
        said = process.stdout.readline()
        if said != "ready\n":
            raise RuntimeError(said + process.stdout.read())
        self._process = process

    def stop(self) -> None:
        """At once. Safe when it does not run."""
        self.hold(False)
        if self._process is not None:
            process, self._process = self._process, None
            self._seen = self._before = self._before + _asked(process, "end")
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

    def hold(self, held: bool) -> None:
        """While it is held it keeps its connections, takes new ones in the kernel, and says nothing."""
        if self._process is not None and held is not self._held:
            self._seen = self.received()
            self._process.send_signal(signal.SIGSTOP if held else signal.SIGCONT)
            self._held = held

    def received(self) -> int:
        """Values of metrics and log events, of its whole life; while it is held, those before."""
        if self._held or self._process is None:
            return self._seen
        return self._before + _asked(self._process, "held")

    @contextmanager
    def client(self, service: str) -> Iterator[Any]:
        """AWS's own, for looking into it."""
        import boto3

        session = boto3.session.Session("AKIDEXAMPLE", "secret", region_name=REGION)
        found = session.client(service, endpoint_url=self.url)
        try:
            yield found
        finally:
            found.close()

    def statistics(self, namespace: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], Mapping[str, Any]]:
        """Number, sum, least and most of each metric of the last hours, with its unit, as GetMetricStatistics tells."""
        with self.client("cloudwatch") as client:
            pages = client.get_paginator("list_metrics").paginate(Namespace=namespace)
            metrics = [metric for page in pages for metric in page["Metrics"]]
            return {_named(metric): _total(client, metric) for metric in metrics}

    def events(self, group: str, stream: str) -> list[tuple[int, str]]:
        """Times and messages of a stream, as GetLogEvents gives them; none of one that is not there."""
        found: list[tuple[int, str]] = []
        with self.client("logs") as client:
            groups = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            if not groups or not client.describe_log_streams(logGroupName=group)["logStreams"]:
                return found
            token: dict[str, str] = {}
            while True:
                page = client.get_log_events(
                    logGroupName=group, logStreamName=stream, startFromHead=True, limit=PAGE, **token
                )
                if not page["events"]:
                    return found
                found += [(each["timestamp"], each["message"]) for each in page["events"]]
                token = {"nextToken": page["nextForwardToken"]}


def moto_params(server: MotoServer, folder: Path) -> dict[str, Any]:
    """Parameters by which a handler finds it, with a file of credentials in this folder."""
    file = folder / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret\n")
    return {
        "region": REGION,
        "endpoints": {"metrics": server.url, "logs": server.url, "sts": server.url},
        "credentials": {"secretFile": str(file)},
        "timeout": "2s",
    }


def _asked(process: subprocess.Popen[str], word: str) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def _named(metric: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    dimensions = sorted((each["Name"], each["Value"]) for each in metric["Dimensions"])
    return metric["MetricName"], tuple(dimensions)


def _total(client: Any, metric: Mapping[str, Any]) -> Mapping[str, Any]:
    now = datetime.now(UTC)
    points = client.get_metric_statistics(
        **metric,
        StartTime=now - timedelta(hours=3),
        EndTime=now + timedelta(hours=1),
        Period=24 * 3600,
        Statistics=["SampleCount", "Sum", "Minimum", "Maximum"],
    )["Datapoints"]
    return {
        "SampleCount": sum(each["SampleCount"] for each in points),
        "Sum": sum(each["Sum"] for each in points),
        "Minimum": min(each["Minimum"] for each in points),
        "Maximum": max(each["Maximum"] for each in points),
        "Unit": points[0]["Unit"],
    }
