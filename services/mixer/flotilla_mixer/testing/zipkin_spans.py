"""A receiver of Zipkin's spans that takes what Zipkin's API says and nothing else, and keeps what it read."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import re
import ssl
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from flotilla_protos.zipkin import zipkin_pb2 as zipkin
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port

JSON, PROTO = "application/json", "application/x-protobuf"
MOST = 2**63 - 1
_TRACE, _SPAN = re.compile(r"[0-9a-f]{16}([0-9a-f]{16})?"), re.compile(r"[0-9a-f]{16}")
_KINDS = frozenset(("CLIENT", "SERVER", "PRODUCER", "CONSUMER"))


class Unreadable(ValueError):
    """It is no list of spans."""


def read_spans(body: bytes, content_type: str, content_encoding: str = "") -> list[dict[str, Any]]:
    """The spans of a request as Zipkin's JSON has them. Raises Unreadable for what its schema does not allow."""
    content = gzip.decompress(body) if content_encoding == "gzip" else body
    if content_type == JSON:
        spans = json.loads(content, parse_constant=_refuse)
    elif content_type == PROTO:
        spans = [_plain(each) for each in zipkin.ListOfSpans.FromString(content).spans]
    else:
        raise Unreadable(f"{content_type} is no type of spans")
    for span in spans:
        _check(span)
    return list(spans)


def _refuse(constant: str) -> None:
    raise Unreadable(f"{constant} is no JSON")


def _check(span: dict[str, Any]) -> None:
    kinds: dict[str, Any] = {
        "traceId": _TRACE.fullmatch,
        "id": _SPAN.fullmatch,
        "parentId": _SPAN.fullmatch,
        "kind": _KINDS.__contains__,
        "name": lambda name: isinstance(name, str) and name,
        "timestamp": _is_positive,
        "duration": _is_positive,
        "localEndpoint": _is_endpoint,
        "remoteEndpoint": _is_endpoint,
        "annotations": lambda found: all(_is_annotation(each) for each in found),
        "tags": lambda tags: all(isinstance(text, str) for pair in tags.items() for text in pair),
        "debug": lambda value: value is True,
        "shared": lambda value: value is True,
    }
    wrong = [name for name, value in span.items() if name not in kinds or not kinds[name](value)]
    if wrong or not {"traceId", "id"} <= span.keys():
        raise Unreadable(f"{wrong or 'ids'} of {span}")
    if not span["traceId"].strip("0") or not span["id"].strip("0") or span.get("parentId") == span["id"]:
        raise Unreadable(f"ids of {span}")


def _is_positive(value: object) -> bool:
    return type(value) is int and 0 < value <= MOST


def _is_annotation(each: dict[str, Any]) -> bool:
    return each.keys() == {"timestamp", "value"} and _is_positive(each["timestamp"]) and isinstance(each["value"], str)


def _is_endpoint(found: dict[str, Any]) -> bool:
    if not found or not found.keys() <= {"serviceName", "ipv4", "ipv6", "port"}:
        return False
    addresses = {"ipv4": ipaddress.IPv4Address, "ipv6": ipaddress.IPv6Address}
    return all(str(read(found[name])) == found[name] for name, read in addresses.items() if name in found)


def _plain(span: zipkin.Span) -> dict[str, Any]:
    """As JSON has it: what is not set is not there."""
    found: dict[str, Any] = {
        "traceId": span.trace_id.hex(),
        "id": span.id.hex(),
        "parentId": span.parent_id.hex(),
        "kind": zipkin.Span.Kind.Name(span.kind) if span.kind else "",
        "name": span.name,
        "timestamp": span.timestamp,
        "duration": span.duration,
        "localEndpoint": _plain_endpoint(span.local_endpoint) if span.HasField("local_endpoint") else None,
        "remoteEndpoint": _plain_endpoint(span.remote_endpoint) if span.HasField("remote_endpoint") else None,
        "annotations": [{"timestamp": each.timestamp, "value": each.value} for each in span.annotations],
        "tags": dict(span.tags),
        "debug": span.debug,
        "shared": span.shared,
    }
    return {name: value for name, value in found.items() if value}


def _plain_endpoint(endpoint: zipkin.Endpoint) -> dict[str, Any]:
    addresses = {name: getattr(endpoint, name) for name in ("ipv4", "ipv6")}
    texts = {name: str(ipaddress.ip_address(packed)) for name, packed in addresses.items() if packed}
    found = {"serviceName": endpoint.service_name, **texts, "port": endpoint.port}
    return {name: value for name, value in found.items() if value}


class SpanReceiver:
    """Answers as Zipkin: 202, or 400 with what is wrong. `answers` are codes for requests to come, before that."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.spans: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.wrong: list[str] = []
        self.answers: list[int] = []
        self._context = context
        self._open = asyncio.Event()
        self._open.set()
        self._http: HttpServer | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/api/v2/spans"

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/api/v2/spans")
        async def _take(request: Request) -> Response:
            body = await request.body()
            await self._open.wait()
            self.requests.append(dict(request.headers))
            if self.answers:
                return Response("not now", self.answers.pop(0))
            return self._read(body, request.headers)

        return app

    def _read(self, body: bytes, headers: Mapping[str, str]) -> Response:
        try:
            self.spans += read_spans(body, headers["content-type"], headers.get("content-encoding", ""))
        except ValueError as error:
            self.wrong.append(str(error))
            return Response(str(error), 400)
        return Response(status_code=202)

    async def start(self) -> Mapping[str, Any]:
        self._http = HttpServer(self._app(), "127.0.0.1", self.port, context=self._context)
        await self._http.start()
        return {"url": self.url}

    async def stop(self) -> None:
        self._open.set()
        if self._http is not None:
            await self._http.stop()

    def hold(self, held: bool) -> None:
        (self._open.clear if held else self._open.set)()

    def received(self) -> int:
        return len(self.spans)
