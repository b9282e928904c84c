"""The cloudwatch adapter against moto's server: CloudWatch's own questions are answered with what was reported."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.cloudwatch.adapter import Cloudwatch
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.cloudwatch.moto import MotoServer, moto_params
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

pytestmark = pytest.mark.real

CALLS = sample_spec(METRIC, ("code", "service"), name="calls.instance.ns")
TOOK = sample_spec(METRIC, ("service",), ValueType.DURATION, name="took.instance.ns")
LOG = sample_spec(LOG_ENTRY, ("code", "path"), name="log.instance.ns")
ROLE = "arn:aws:iam::123456789012:role/mixer"


@pytest.fixture
def server() -> Iterator[MotoServer]:
    found = MotoServer()
    found.start()
    yield found
    found.stop()


def handler_of(server: MotoServer, folder: Path, background: Background, **changes: Any) -> Any:
    given = moto_params(server, folder) | {
        "namespace": "Mesh",
        "metricInfo": {
            CALLS.name: {"unit": "Count", "metricName": "calls"},
            TOOK.name: {"unit": "Milliseconds", "metricName": "took"},
        },
        "logGroupName": "/mesh/access",
        "logStreamName": "mixer",
        "logs": {LOG.name: {"payloadTemplate": "{{.path}} {{.code}}"}},
        "whenMissing": "CREATE_GROUP",
        "timeout": "30s",
    }
    params = json_format.ParseDict(given | changes, Cloudwatch().defaults())
    assert list(Cloudwatch().validate(params, [CALLS, TOOK, LOG])) == []
    return Cloudwatch().build(params, [CALLS, TOOK, LOG], background)


async def ended(handler: Any, background: Background) -> None:
    await background.stop(30)
    handler.close()


def count(handler: Any, *values: object, code: int = 200, service: str = "ratings") -> None:
    handler.report([ReportBatch(CALLS, [(value, None, (code, service), ()) for value in values])])


@pytest.mark.parametrize("statistics", ["VALUES", "STATISTIC_SET"])
async def test_statistics_are_those_of_what_was_reported(server: MotoServer, tmp_path: Path, statistics: str) -> None:
    background = Background()
    calls = {"unit": "Count", "metricName": "calls", "statistics": statistics}
    took = {"unit": "Milliseconds", "metricName": "took", "statistics": statistics}
    handler = handler_of(server, tmp_path, background, metricInfo={CALLS.name: calls, TOOK.name: took})
    count(handler, 3, 4, 3.5)
    count(handler, 1, code=404, service="")
    durations = [Duration(milliseconds * 1_000_000) for milliseconds in range(1, 301)]
    handler.report([ReportBatch(TOOK, [(each, None, ("ratings",), ()) for each in durations])])
    await ended(handler, background)
    ratings = ("service", "ratings")
    assert server.statistics("Mesh") == {
        ("calls", (("code", "200"), ratings)): totals(3, 10.5, 3, 4, "Count"),
        ("calls", (("code", "404"),)): totals(1, 1, 1, 1, "Count"),
        ("took", (ratings,)): totals(300, 45_150, 1, 300, "Milliseconds"),
    }
    assert background.counted("sent") == {"": 304}
    assert server.received() == 304


def totals(number: float, total: float, least: float, most: float, unit: str) -> dict[str, Any]:
    return {"SampleCount": number, "Sum": total, "Minimum": least, "Maximum": most, "Unit": unit}


async def test_events_are_those_that_were_reported(server: MotoServer, tmp_path: Path) -> None:
    background, now = Background(), time.time_ns() // 1_000_000
    handler = handler_of(server, tmp_path, background, logRetentionDays=7)
    rows = [(Timestamp((now + number) * 1_000_000), "info", None, (200, f"/ü{number}"), ()) for number in range(12_000)]
    handler.report([ReportBatch(LOG, rows[6_000:]), ReportBatch(LOG, rows[:6_000])])
    await ended(handler, background)
    wanted = [(now + number, f"/ü{number} 200") for number in range(12_000)]
    assert sorted(server.events("/mesh/access", "mixer")) == wanted
    with server.client("logs") as client:
        (group,) = client.describe_log_groups()["logGroups"]
    assert group["retentionInDays"] == 7
    assert background.counted("sent") == {"": 12_000}


async def test_a_role_is_taken(server: MotoServer, tmp_path: Path) -> None:
    background = Background()
    login = moto_params(server, tmp_path)["credentials"] | {"roleArn": ROLE, "externalId": "mesh"}
    handler = handler_of(server, tmp_path, background, credentials=login)
    count(handler, 1)
    await ended(handler, background)
    assert background.counted("sent") == {"": 1}


async def test_a_token_stands_for_a_role(server: MotoServer, tmp_path: Path) -> None:
    background, token = Background(), tmp_path / "token"
    token.write_text("header.payload.signature")
    login = {"roleArn": ROLE, "webIdentityTokenFile": str(token)}
    handler = handler_of(server, tmp_path, background, credentials=login)
    count(handler, 1)
    await ended(handler, background)
    assert background.counted("sent") == {"": 1}


async def test_without_a_group_entries_are_counted(server: MotoServer, tmp_path: Path) -> None:
    background = Background()
    handler = handler_of(server, tmp_path, background, whenMissing="REFUSE")
    handler.report([ReportBatch(LOG, [(None, "info", None, (200, "/"), ())])])
    await ended(handler, background)
    assert background.counted("dropped") == {"not_found": 1}


async def test_it_is_found_again_at_its_place(server: MotoServer, tmp_path: Path) -> None:
    background = Background()
    handler = handler_of(server, tmp_path, background, flushDuration="0.1s")
    count(handler, 1, 1)
    while server.received() < 2:
        await background.in_thread(time.sleep, 0.01)
    server.stop()
    count(handler, 1, 1, 1)
    server.start()
    await ended(handler, background)
    assert (server.received(), background.counted("sent")) == (5, {"": 5})
