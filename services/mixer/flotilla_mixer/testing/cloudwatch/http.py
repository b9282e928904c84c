"""A server that AWS's own clients talk to: their requests are read, their signatures held against keys, faults put in."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<headers>[^,]+), Signature=(?P<signature>\w+)"
)
MOST_READ = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and content: a value that is written as JSON, or text as it is. `code` is that of an error."""

    status: int
    content: Any
    code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def error(code: str, text: str, status: int = 400, **headers: str) -> Answer:
    return Answer(status, {"__type": f"com.amazonaws#{code}", "message": text}, code, headers)


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is read; `length` is that of its JSON, `sent` that of what came over the wire."""

    operation: str
    body: Mapping[str, Any]
    length: int
    sent: int
    headers: Mapping[str, str]
    key: str


@dataclass(slots=True)
class Key:
    """A pair of keys; `token` of temporary ones. `expired`: no longer good."""

    secret: str
    token: str = ""
    expired: bool = False


class AwsServer:
    """On loopback, in the test's loop. `faults` are used up by the next requests: an Answer is given, `cut` ends the connection.
    While it is held it answers nobody.
    """

    def __init__(self, answer: Callable[[Request], Answer], keys: Mapping[str, Key]) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.connections = 0
        self.faults: deque[Answer | str] = deque()
        self._answer, self._keys = answer, keys
        self._free = asyncio.Event()
        self._free.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """At the same port each time."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=MOST_READ)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """At once, with all connections. Safe when it does not run."""
        if self._server is not None:
            self._server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            self._server = None

    def hold(self, held: bool) -> None:
        if held:
            self._free.clear()
        else:
            self._free.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        await self._free.wait()
        fault = self.faults.popleft() if self.faults else None
        if fault == "cut":
            return False
        answer = fault if isinstance(fault, Answer) else self._judged(headers, content)
        writer.write(_written(answer if "x-amz-target" in headers else _as_xml(answer)))
        await writer.drain()
        return True

    def _judged(self, headers: Mapping[str, str], content: bytes) -> Answer:
        plain = gzip.decompress(content) if headers.get("content-encoding") == "gzip" else content
        signed = _AUTHORIZATION.match(headers.get("authorization", ""))
        key = signed["key"] if signed else ""
        if signed:
            refusal = self._refusal(signed, headers, content)
            if refusal is not None:
                return refusal
        if "x-amz-target" in headers:
            body, operation = json.loads(plain), headers["x-amz-target"].rpartition(".")[2]
        else:
            body = dict(parse_qsl(plain.decode()))
            operation = body["Action"]
        request = Request(operation, body, len(plain), len(content), headers, key)
        self.requests.append(request)
        return self._answer(request)

    def _refusal(self, signed: re.Match[str], headers: Mapping[str, str], content: bytes) -> Answer | None:
        key = self._keys.get(signed["key"])
        if key is None:
            return error("UnrecognizedClientException", "The security token included in the request is invalid.")
        if key.expired:
            return error("ExpiredTokenException", "The security token included in the request is expired")
        wanted = _signature(signed, headers, content, self.url, key.secret)
        if headers.get("x-amz-security-token", "") != key.token or not hmac.compare_digest(wanted, signed["signature"]):
            return error("InvalidSignatureException", "The request signature we calculated does not match.", 403)
        return None


def _signature(signed: re.Match[str], headers: Mapping[str, str], content: bytes, url: str, secret: str) -> str:
    """As botocore makes it of the headers that were signed."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    names = set(signed["headers"].split(";")) - {"host"}
    request = AWSRequest("POST", f"{url}/", {name: headers[name] for name in names}, content)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(signed["key"], secret), signed["service"], signed["region"])
    found: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return found


def _as_xml(answer: Answer) -> Answer:
    """An error as STS writes it; it is the only one that is asked by forms."""
    if not answer.code:
        return answer
    text = f"<Code>{answer.code}</Code><Message>{answer.content['message']}</Message>"
    return Answer(
        answer.status, f"<ErrorResponse><Error><Type>Sender</Type>{text}</Error></ErrorResponse>", answer.code
    )


def _written(answer: Answer) -> bytes:
    is_text = isinstance(answer.content, str)
    content = answer.content.encode() if is_text else json.dumps(answer.content).encode()
    headers = {"content-type": "text/xml" if is_text else "application/x-amz-json-1.1", **answer.headers}
    headers |= {"content-length": str(len(content)), "x-amzn-requestid": "request-of-a-test"}
    if answer.code:
        headers["x-amzn-errortype"] = answer.code
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} Answer\r\n{lines}\r\n".encode() + content
