"""Datadog's HTTP intake for tests, which takes nothing that its documents do not allow: series, distributions and logs."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import cramjam
import orjson
from fastapi import FastAPI, Request, Response

from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port

KEY = "a" * 32
MOST_COMPRESSED, MOST_BYTES = 512_000, 5 * 1024 * 1024
MOST_LOGS, MOST_LOG_BYTES = 1_000, 1_000_000
KINDS = {1: "count", 2: "rate", 3: "gauge"}
METRIC = re.compile(r"[a-zA-Z][^:|@#,\s]{0,199}\Z")
SERIES_FIELDS = frozenset(("metric", "type", "points", "interval", "resources", "tags", "unit"))
DISTRIBUTION_FIELDS = frozenset(("metric", "points", "host", "tags", "type"))
LOG_FIELDS = frozenset(
    ("ddsource", "ddtags", "hostname", "message", "service", "status", "timestamp", "logger", "mesh")
)
ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd1": lambda content: bytes(cramjam.zstd.decompress(content)),
}
TAKES = {"series": ("", "gzip", "deflate", "zstd1"), "distributions": ("", "deflate"), "logs": ("", "gzip", "deflate")}


class Taken(NamedTuple):
    """A point. `kind` is count, rate, gauge or distribution; `value` a number, or the values of a distribution."""

    metric: str
    kind: str
    tags: tuple[str, ...]
    resources: tuple[tuple[str, str], ...]
    timestamp: int
    interval: int
    value: Any
    unit: str = ""


def _demand(holds: bool, text: str) -> None:
    if not holds:
        raise ValueError(text)


def read_series(content: Any) -> list[Taken]:
    """Of the body of `POST /api/v2/series`. Raises ValueError."""
    _demand(isinstance(content, dict) and list(content) == ["series"], "a body has series and nothing else")
    return [point for each in content["series"] for point in _series(each)]


def _series(each: Any) -> list[Taken]:
    _demand(set(each) <= SERIES_FIELDS, f"{set(each) - SERIES_FIELDS} are no fields of a series")
    kind, metric, interval = KINDS[each["type"]], _metric(each), each.get("interval", 0)
    _demand(type(interval) is int and (interval > 0) is (kind != "gauge"), f"{metric} is a {kind} of {interval!r} s")
    resources = tuple((found["type"], found["name"]) for found in each.get("resources", ()))
    points = []
    for point in each["points"]:
        value = point["value"]
        _demand(type(value) in (int, float), f"{value!r} of {metric} is no number")
        moment = _moment(point["timestamp"])
        points.append(Taken(metric, kind, _tags(each), resources, moment, interval, value, each.get("unit", "")))
    return points


def read_distributions(content: Any) -> list[Taken]:
    """Of the body of `POST /api/v1/distribution_points`. Raises ValueError."""
    _demand(isinstance(content, dict) and list(content) == ["series"], "a body has series and nothing else")
    found = []
    for each in content["series"]:
        _demand(set(each) <= DISTRIBUTION_FIELDS, f"{set(each) - DISTRIBUTION_FIELDS} are no fields of a distribution")
        resources = (("host", each["host"]),) if "host" in each else ()
        for moment, values in each["points"]:
            _demand(bool(values) and all(type(value) in (int, float) for value in values), "values are numbers")
            shown = _metric(each), "distribution", _tags(each), resources, _moment(moment), 0, tuple(values)
            found.append(Taken(*shown))
    return found


def _metric(each: Any) -> str:
    _demand(bool(METRIC.match(each["metric"])), f"{each['metric']!r} is no name of a metric")
    return str(each["metric"])


def _tags(each: Any) -> tuple[str, ...]:
    tags = each.get("tags", [])
    _demand(all(type(tag) is str and tag and "," not in tag and len(tag) <= 200 for tag in tags), f"{tags} are no tags")
    return tuple(sorted(tags))


def _moment(moment: Any) -> int:
    """No more than ten minutes in the future, and an hour in the past."""
    whole = type(moment) in (int, float) and moment == int(moment)
    _demand(whole and -3600 < moment - time.time() < 600, f"{moment!r} is no second of this hour")
    return int(moment)


def read_logs(content: Any) -> list[dict[str, Any]]:
    """Of the body of `POST /api/v2/logs`. Raises ValueError."""
    _demand(isinstance(content, list) and 0 < len(content) <= MOST_LOGS, "a body is a list of at most 1000 logs")
    for each in content:
        _demand(set(each) <= LOG_FIELDS and type(each.get("message")) is str, f"{set(each)} are no fields of a log")
        _demand(len(orjson.dumps(each)) <= MOST_LOG_BYTES, "a log is longer than 1 MB")
    return list(content)


class DatadogIntake:
    """On loopback, one port over restarts. `answers` are statuses of the next requests, `reset_seconds` what they ask to wait;
    while `released` is clear nobody is answered.
    """

    def __init__(self) -> None:
        self.points: list[Taken] = []
        self.logs: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.reset_seconds = ""
        self.key = KEY
        self.encodings: list[str] = []
        self.sizes: list[int] = []
        self.wrong: list[str] = []
        self.came = 0
        self.released = asyncio.Event()
        self.released.set()
        self._port = 0
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def choose_port(self) -> None:
        """For those who must know `url` before it is started."""
        self._port = free_port()

    async def start(self) -> None:
        app = FastAPI()
        for path, what in (
            ("/api/v2/series", "series"),
            ("/api/v1/distribution_points", "distributions"),
            ("/api/v2/logs", "logs"),
        ):
            app.post(path)(self._taking(what))
        self._server = HttpServer(app, "127.0.0.1", self._port)
        await self._server.start()
        self._port = self._server.ports[0]

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    def _taking(self, what: str) -> Any:
        async def answer(request: Request) -> Response:
            self.came += 1
            body = await request.body()
            await self.released.wait()
            if self.answers and (status := self.answers.pop(0)) != 202:
                return Response('{"errors":["as wanted"]}', status, headers={"x-ratelimit-reset": self.reset_seconds})
            if request.headers.get("dd-api-key") != self.key:
                return Response('{"errors":["Forbidden"]}', 403)
            try:
                self._take(what, request.headers, body)
            except (ValueError, KeyError, TypeError) as error:
                self.wrong.append(f"{what}: {type(error).__name__}: {error}")
                return Response(orjson.dumps({"errors": [str(error)]}), 400)
            return Response("{}", 202)

        return answer

    def _take(self, what: str, headers: Mapping[str, str], body: bytes) -> None:
        encoding = headers.get("content-encoding", "")
        _demand(encoding in TAKES[what], f"{what} are not taken as {encoding!r}")
        kind = "text/json" if what == "distributions" else "application/json"
        _demand(headers.get("content-type") == kind, f"a body is {kind}")
        whole = ENCODINGS[encoding](body)
        _demand(len(body) <= MOST_COMPRESSED or what == "logs", f"{len(body)} bytes are too many")
        _demand(len(whole) <= MOST_BYTES, f"{len(whole)} bytes are too many")
        content = orjson.loads(whole)
        if what == "logs":
            self.logs += read_logs(content)
        else:
            self.points += read_series(content) if what == "series" else read_distributions(content)
        self.encodings.append(encoding)
        self.sizes.append(len(body))

    def total(self, metric: str) -> float:
        """The sum of a count's points, or the number of a distribution's values. Of points of one second the last counts."""
        last: dict[Any, float] = {}
        values = 0
        for point in self.points:
            if point.metric == metric and point.kind == "distribution":
                values += len(point.value)
            elif point.metric == metric:
                last[point.tags, point.resources, point.timestamp] = point.value
        return sum(last.values()) + values

    def received(self) -> int:
        """Points and logs that it took over its whole life."""
        return len(self.points) + len(self.logs)
