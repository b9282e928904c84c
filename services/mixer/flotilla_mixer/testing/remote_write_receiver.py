"""A receiver of remote write 1.0 that takes nothing that the specification does not allow."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import cramjam
from fastapi import FastAPI, Request, Response

from flotilla_protos.prometheus import remote_pb2 as messages
from flotilla_shared.runtime.http import HttpServer

STALE_BITS = 0x7FF0000000000002
HEADERS = {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
}
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
Key = tuple[tuple[str, str], ...]


class WrittenSample(NamedTuple):
    """`value` is None for the end of a series."""

    value: float | None
    milliseconds: int


class Written:
    """What arrived: samples and exemplars by their series, and what families are."""

    def __init__(self) -> None:
        self.samples: dict[Key, list[WrittenSample]] = {}
        self.exemplars: dict[Key, list[tuple[Key, float, int]]] = {}
        self.metadata: dict[str, tuple[str, str]] = {}

    def take(self, request: Any) -> None:
        """Raises ValueError for what is not as the specification has it; then nothing of it is taken."""
        found = [(_key(each.labels), each) for each in request.timeseries]
        for key, series in found:
            _demand_order(key, series, self.samples.get(key, []))
        for key, series in found:
            self.samples.setdefault(key, []).extend(
                WrittenSample(None if is_stale(each.value) else each.value, each.timestamp) for each in series.samples
            )
            for each in series.exemplars:
                self.exemplars.setdefault(key, []).append((_labels(each.labels), each.value, each.timestamp))
        for each in request.metadata:
            kind = messages.MetricMetadata.MetricType.Name(each.type)
            self.metadata[each.metric_family_name] = (kind, each.help)

    def last(self, name: str, **labels: str) -> float | None:
        """The last value of the one series of this name with these labels; None if it has ended or is not there."""
        wanted = {"__name__": name, **labels}.items()
        found = [samples for key, samples in self.samples.items() if wanted <= dict(key).items()]
        return found[0][-1].value if len(found) == 1 and found[0] else None


def is_stale(value: float) -> bool:
    return bool(struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS)


def _labels(labels: Any) -> Key:
    return tuple((each.name, each.value) for each in labels)


def _key(labels: Any) -> Key:
    key = _labels(labels)
    names = [name for name, _ in key]
    if names != sorted(set(names)):
        raise ValueError(f"labels are to be sorted, and each there once: {names}")
    if not all(value for _, value in key):
        raise ValueError(f"no label may be empty: {key}")
    if not NAME.match(dict(key).get("__name__", "")) or not all(map(LABEL.match, names)):
        raise ValueError(f"these are no labels of a series: {key}")
    return key


def _demand_order(key: Key, series: Any, before: list[WrittenSample]) -> None:
    times = [each.milliseconds for each in before[-1:]] + [each.timestamp for each in series.samples]
    if times != sorted(set(times)):
        raise ValueError(f"samples of {key} are out of order: {times}")
    if not series.samples and not series.exemplars:
        raise ValueError(f"{key} has neither samples nor exemplars")


def read_request(headers: Mapping[str, str], body: bytes) -> Any:
    """A WriteRequest. Raises ValueError for anything that is none."""
    for name, value in HEADERS.items():
        if headers.get(name) != value:
            raise ValueError(f"the header {name} is {headers.get(name)!r} and not {value!r}")
    try:
        return messages.WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except Exception as error:
        raise ValueError(f"the body is no WriteRequest in snappy's block format: {error}") from error


class RemoteWriteReceiver:
    """On loopback, one port over restarts. `answers` are statuses for the next requests, before they are taken; `logins` the
    headers `authorization` that came, `wrong` what was refused.
    """

    def __init__(self) -> None:
        self.written = Written()
        self.answers: list[int] = []
        self.wait_seconds = ""
        self.logins: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.wrong: list[str] = []
        self._port = 0
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/v1/write"

    async def start(self, **options: Any) -> None:
        app = FastAPI()
        app.post("/api/v1/write")(self._answer)
        self._server = HttpServer(app, "127.0.0.1", self._port, **options)
        await self._server.start()
        self._port = self._server.ports[0]

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        self.logins.append(request.headers.get("authorization", ""))
        self.headers.append(dict(request.headers))
        if self.answers:
            status = self.answers.pop(0)
            if status // 100 != 2:
                return Response("as the test wants it", status, headers={"retry-after": self.wait_seconds})
        try:
            self.written.take(read_request(request.headers, body))
        except ValueError as error:
            self.wrong.append(str(error))
            return Response(str(error), 400)
        self.bodies.append(body)
        return Response(status_code=204)

    def received(self) -> int:
        """Samples that it took over its whole life."""
        return sum(map(len, self.written.samples.values()))


def series_of(written: Written, prefix: str) -> Iterator[tuple[Key, list[WrittenSample]]]:
    """Series whose name begins so."""
    for key, samples in written.samples.items():
        if dict(key)["__name__"].startswith(prefix):
            yield key, samples
