"""Requests over HTTP, in protobuf or JSON: one client for all signals of a handler."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from typing import Any

import httpx
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from flotilla_mixer.adapters.otlp.answers import http_error
from flotilla_mixer.adapters.otlp.credentials import SETTINGS, Certificates, Headers, Renewed
from flotilla_mixer.adapters.otlp.json_text import json_request
from flotilla_mixer.adapters.otlp.requests import USER_AGENT, Signal
from flotilla_mixer.adapters.otlp.settings import http_url, seconds
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE
from flotilla_mixer.kit.sending import SendError
from flotilla_protos.flotilla.mixer.adapter.otlp.config_pb2 import Params

LARGEST_ANSWER = 256 * 1024
PROTOBUF, JSON = "application/x-protobuf", "application/json"
IN_THREAD_BYTES = 32 * 1024  # what is longer is packed beside the loop
GZIP_LEVEL = 5
LIMITS = httpx.Limits(max_connections=3, max_keepalive_connections=3)  # one for each signal


class HttpLink:
    """Nothing is dialled before the first request. Redirects are refusals."""

    def __init__(self, params: Any, headers: Headers, environment: Environment) -> None:
        """Raises EndpointError and SecretError."""
        self._url = http_url(params)
        found = httpx.URL(self._url)
        self.place = f"{found.scheme}://{found.netloc.decode()}"
        self._headers = headers
        self._environment = environment
        self._timeout = seconds(params.timeout)
        self._json = params.protocol == Params.HTTP_JSON
        self._packs = params.compression == Params.GZIP
        self._certificates = Certificates.of(params, environment)
        self._server_name = self._certificates.server_name
        self._clients: Renewed[httpx.AsyncClient] = Renewed(self._certificates, self._client, httpx.AsyncClient.aclose)

    async def export(self, signal: Signal, content: bytes) -> Any:
        """The collector's response. Raises SendError."""
        headers = self._headers.read()
        body = await self._body(signal, content)
        headers["accept-encoding"] = "identity"
        headers["user-agent"] = USER_AGENT
        headers["content-type"] = JSON if self._json else PROTOBUF
        if self._packs:
            headers["content-encoding"] = "gzip"
        async with self._clients.use() as client:
            try:
                status, said, answer = await self._post(client, f"{self._url}{signal.path}", body, headers)
            except httpx.TimeoutException as error:
                raise SendError(f"{self.place} did not answer in time", cause=TIMEOUT, retry=True) from error
            except (httpx.RequestError, OSError) as error:
                text = f"{self.place} cannot be reached: {str(error) or type(error).__name__}"
                raise SendError(text, cause=UNREACHABLE, retry=True) from error
        if not 200 <= status < 300:
            raise http_error(self.place, status, said, answer)
        return self._response(signal, said.get("content-type", ""), answer)

    async def _body(self, signal: Signal, content: bytes) -> bytes:
        if len(content) > IN_THREAD_BYTES:
            return await self._environment.in_thread(self._packed, signal, content)
        return self._packed(signal, content)

    def _packed(self, signal: Signal, content: bytes) -> bytes:
        body = json_request(signal, content) if self._json else content
        return gzip.compress(body, GZIP_LEVEL) if self._packs else body

    async def _post(
        self, client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, Any, bytes]:
        """Status, headers and as much of the body as an answer may have."""
        extensions = {"sni_hostname": self._server_name} if self._server_name else None
        request = client.build_request("POST", url, content=body, headers=headers, extensions=extensions)
        answer = await client.send(request, stream=True)
        found = b""
        try:
            async for part in answer.aiter_raw():
                found += part
                if len(found) > LARGEST_ANSWER:
                    await answer.aclose()  # the connection ends, and so does reading
        except httpx.HTTPError:
            if len(found) <= LARGEST_ANSWER:
                raise
        finally:
            await answer.aclose()
        return answer.status_code, answer.headers, found[:LARGEST_ANSWER]

    def _response(self, signal: Signal, kind: str, content: bytes) -> Any:
        """What cannot be read of an answer that takes the batch is no reason to send it again."""
        try:
            if kind.startswith(JSON):
                return json_format.Parse(content, signal.response(), ignore_unknown_fields=True)
            return signal.response.FromString(content)
        except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
            self._environment.complain("answer", "the collector's answer cannot be read", error=str(error)[:200])
            return signal.response()

    async def _client(self) -> httpx.AsyncClient:
        verify: ssl.SSLContext | bool = False
        if self._url.startswith("https://"):
            verify = await asyncio.to_thread(self._context)  # the system's authorities are many
        return httpx.AsyncClient(
            verify=verify, timeout=self._timeout, limits=LIMITS, trust_env=False, follow_redirects=False
        )

    def _context(self) -> ssl.SSLContext:
        """Raises SendError where a file cannot be used."""
        files = self._certificates
        try:
            context = ssl.create_default_context(cafile=files.ca_file or None)
            if files.certificate_file:
                context.load_cert_chain(files.certificate_file, files.key_file)
        except OSError as error:  # an SSLError is one
            text = f"the files of TLS cannot be used: {error.strerror or error}"
            raise SendError(text, cause=SETTINGS, retry=True) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    async def close(self) -> None:
        await self._clients.close()
