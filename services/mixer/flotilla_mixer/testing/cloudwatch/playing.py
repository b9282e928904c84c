"""A handler of the receiver, and what tests report to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from flotilla_mixer.adapters.cloudwatch.adapter import Cloudwatch
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.cloudwatch.receiver import KEY, SECRET, Receiver
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

CALLS = sample_spec(METRIC, ("code", "service"), name="calls.instance.ns")
TOOK = sample_spec(METRIC, ("service",), ValueType.DURATION, name="took.instance.ns")
LOG = sample_spec(LOG_ENTRY, ("code", "path"), name="log.instance.ns")
REGION = "eu-central-1"


def written(file: Path, key: str = KEY, secret: str = SECRET, token: str = "", section: str = "default") -> str:
    """A file of credentials, put in the place of the one before, as Kubernetes does. Gives its path."""
    lines = [f"[{section}]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}"]
    lines += [f"aws_session_token = {token}"] if token else []
    new = file.with_suffix(".new")
    new.write_text("\n".join(lines) + "\n")
    new.rename(file)
    return str(file)


class Played:
    """A handler of the receiver. `folder` takes its file of credentials; `changes` are of its parameters."""

    def __init__(self, receiver: Receiver, folder: Path, **changes: Any) -> None:
        self.background = Background()
        given = {
            "namespace": "Mesh",
            "region": REGION,
            "metricInfo": {
                CALLS.name: {"unit": "Count", "metricName": "calls"},
                TOOK.name: {"unit": "Milliseconds", "metricName": "took"},
            },
            "logGroupName": "mesh",
            "logStreamName": "mixer",
            "logs": {LOG.name: {"payloadTemplate": "{{.path}} {{.code}}"}},
            "whenMissing": "CREATE_GROUP",
            "endpoints": {"metrics": receiver.url, "logs": receiver.url, "sts": receiver.url},
            "credentials": {"secretFile": written(folder / "credentials")},
            "flushDuration": "3600s",
            "logFlushDuration": "3600s",
            "timeout": "30s",
        }
        params = json_format.ParseDict(given | changes, Cloudwatch().defaults())
        self.handler = Cloudwatch().build(params, [CALLS, TOOK, LOG], self.background)

    def count(self, *values: object, code: int = 200, service: str = "ratings") -> None:
        self.handler.report([ReportBatch(CALLS, [(value, None, (code, service), ()) for value in values])])

    def take(self, *milliseconds: float, service: str = "ratings") -> None:
        rows = [(Duration(int(each * 1e6)), None, (service,), ()) for each in milliseconds]
        self.handler.report([ReportBatch(TOOK, rows)])

    def log(self, *paths: str, at: int | None = None) -> None:
        moment = Timestamp(time.time_ns() if at is None else at)
        self.handler.report([ReportBatch(LOG, [(moment, "info", None, (200, path), ()) for path in paths])])

    async def end(self, grace_seconds: float = 20.0) -> None:
        await self.background.stop(grace_seconds)
        self.handler.close()

    @property
    def told(self) -> dict[str, dict[str, int]]:
        names = ("sent", "dropped", "waiting", "retries")
        return {name: dict(self.background.counted(name)) for name in names if self.background.counted(name)}


async def until(what: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110  # what others do in their own time
            await asyncio.sleep(0.005)


def messages(receiver: Receiver, group: str = "mesh") -> list[str]:
    return [each["message"] for each in receiver.events[group]["mixer"]]
