"""An API server for tests: real HTTP on a loopback port, a store in memory, and faults on demand.

It takes get, list (pages, selectors), watch (bookmarks, time limits), create, replace, patch, delete and the status
subresource, for every resource that it was told to serve. What it does is what kube-apiserver does for a client that
lists, watches and writes; schemas, defaults and rights are left to the real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.credentials import FixedToken
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.testing.apiserver_faults import Asked, Fault
from flotilla_shared.testing.apiserver_store import Object, Refused, Store, selected, status
from flotilla_shared.testing.apiserver_streams import NO_MORE_WATCHING, broken, either, line, once
from flotilla_shared.testing.patches import PatchFailed, json_patch, merge_patch

_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/.))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<part>[^/]+))?)?$"
)


@dataclass(frozen=True, slots=True)
class _Target:
    resource: Resource
    namespace: str
    name: str
    part: str

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace, self.name)


@dataclass
class ApiServer:
    """Component. `serve` what it shall know, then `start`; `client()` gives a KubeClient for it.

    Stopped and started again it is at the same address, with what it had stored.
    """

    store: Store = field(default_factory=Store)
    asked: list[Asked] = field(default_factory=list)
    page_limit: int = 500
    _served: dict[tuple[str, str, str], Resource] = field(default_factory=dict)
    _faults: deque[Fault] = field(default_factory=deque)
    _watches: set[asyncio.Queue[object]] = field(default_factory=set)
    _server: HttpServer | None = None
    _port: int = 0
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        app = FastAPI(openapi_url=None)
        app.add_api_route("/{path:path}", self._answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
        self._server = HttpServer(app, "127.0.0.1", self._port)
        await self._server.start()
        self._port = self._server.ports[0]

    async def stop(self) -> None:
        self.release()
        self.end_watches()
        if self._server is not None:
            await self._server.stop()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._port}"

    def client(self, token: str = "") -> KubeClient:
        return KubeClient(KubeConnection(self.url, credentials=FixedToken(token)))

    # -- what tests do to it

    def serve(self, *resources: Resource) -> None:
        for each in resources:
            self._served[(each.group, each.version, each.plural)] = each

    def withdraw(self, resource: Resource, *, keep: bool = False) -> None:
        """No longer serve a kind; its objects are gone and its watches end, as when a CRD is deleted.

        `keep`: the objects are still stored, as while a server starts.
        """
        self._served.pop((resource.group, resource.version, resource.plural), None)
        for key in [] if keep else list(self.store.kind(str(resource))):
            self.store.delete(str(resource), key)
        self.end_watches()

    def put(self, resource: Resource, name: str, namespace: str = "", **content: Any) -> Object:
        """Make or change an object, as somebody else would: `spec=...`, `data=...`, `metadata={"labels": ...}`."""
        key = (namespace if resource.namespaced else "", name)
        given: Object = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, **content}
        there = self.store.kind(str(resource)).get(key)
        if there is None:
            return self.store.create(str(resource), key, given)
        part = "status" if set(content) == {"status"} else ""
        given["metadata"] = {**there["metadata"], **content.get("metadata", {})}
        return self.store.replace(str(resource), key, given, part=part)

    def remove(self, resource: Resource, name: str, namespace: str = "") -> None:
        self.store.delete(str(resource), (namespace if resource.namespaced else "", name))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        return self.store.get(str(resource), (namespace if resource.namespaced else "", name))

    def fail(self, fault: Fault) -> None:
        self._faults.append(fault)

    def release(self) -> None:
        """Let what hangs go on, and hang nothing more."""
        self._faults = deque(fault for fault in self._faults if not fault.hang)
        self._released.set()
        self._released = asyncio.Event()

    def end_watches(self) -> None:
        """Every open watch ends in good order."""
        for queue in self._watches:
            queue.put_nowait(NO_MORE_WATCHING)

    def cut_watches(self) -> None:
        """Every open watch breaks in the middle of a line."""
        for queue in self._watches:
            queue.put_nowait(ConnectionResetError("cut"))

    def send(self, event: Mapping[str, Any]) -> None:
        """Any event, to every open watch."""
        for queue in self._watches:
            queue.put_nowait(dict(event))

    def bookmark(self) -> None:
        """What the real one sends about once a minute."""
        meta = {"resourceVersion": str(self.store.version)}
        self.send({"type": "BOOKMARK", "object": {"metadata": meta}})

    def of(self, verb: str, plural: str = "") -> list[Asked]:
        return [each for each in self.asked if each.verb == verb and f"/{plural}" in each.path]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something is so; looked at after every request and every change."""
        while not holds():
            waits = [asyncio.ensure_future(event.wait()) for event in (self._came, self.store.changed)]
            await asyncio.wait(waits, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    # -- HTTP

    async def _answer(self, request: Request) -> Response:
        query = dict(request.query_params)
        raw = await request.body()
        body = json.loads(raw) if raw else None
        watching = request.method == "GET" and query.get("watch") in ("1", "true")
        target = self._find(request.url.path)
        verb = _verb(request.method, watching, target)
        headers = request.headers
        self.asked.append(
            Asked(
                verb,
                request.url.path,
                query,
                body,
                headers.get("authorization", ""),
                headers.get("content-type", ""),
                headers.get("accept", ""),
            )
        )
        self._came.set()
        self._came = asyncio.Event()
        if target is None:
            return PlainTextResponse("404 page not found\n", 404)  # the one answer that is no Status
        try:
            fault = self._fault(verb, target)
            if fault is not None and fault.hang:
                await self._released.wait()
            elif fault is not None:
                return self._failing(fault)
            if watching:
                return self._watch(target, query)
            return JSONResponse(self._done(verb, target, query, body, request.headers.get("content-type", "")))
        except Refused as refused:
            return JSONResponse(refused.status, refused.code)

    def _find(self, path: str) -> _Target | None:
        found = _PATH.match(path)
        if found is None:
            return None
        group, version, plural = found["group"] or "", found["version"], found["plural"]
        resource = self._served.get((group, version, plural))
        if resource is None:
            return None
        return _Target(resource, found["namespace"] or "", found["name"] or "", found["part"] or "")

    def _fault(self, verb: str, target: _Target) -> Fault | None:
        for fault in self._faults:
            if fault.verb == verb and fault.plural in ("", target.resource.plural):
                fault.times -= 1
                if not fault.times:
                    self._faults.remove(fault)
                return fault
        return None

    def _failing(self, fault: Fault) -> Response:
        content = status(fault.code, fault.reason, fault.message)
        if fault.event:
            event = {"type": "ERROR", "object": content}
            return StreamingResponse(once(json.dumps(event).encode() + b"\n"), media_type="application/json")
        if fault.cut:
            return StreamingResponse(broken(b'{"type": "ADD'), media_type="application/json")
        headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
        return JSONResponse(content, fault.code or 500, headers)

    def _done(self, verb: str, target: _Target, query: dict[str, str], body: Any, content_type: str) -> Object:
        plural = str(target.resource)
        store = self.store
        if verb == "list":
            return self._list(target, query)
        if verb == "get":
            return store.get(plural, target.key)
        if verb == "create":
            name = body["metadata"].get("name") or f"{body['metadata']['generateName']}{store.version}"
            return store.create(plural, (target.namespace, name), body)
        if verb == "delete":
            return store.delete(plural, target.key)
        if verb == "update":
            return store.replace(plural, target.key, body, part=target.part)
        return self._patched(target, body, content_type)

    def _patched(self, target: _Target, body: Any, content_type: str) -> Object:
        plural = str(target.resource)
        if "apply" in content_type and target.key not in self.store.kind(plural):
            return self.store.create(plural, target.key, body)
        before = self.store.get(plural, target.key)
        try:
            after = json_patch(before, body) if "json-patch" in content_type else merge_patch(before, body)
        except PatchFailed as error:
            raise Refused(422, "Invalid", str(error)) from error
        return self.store.replace(plural, target.key, after, part=target.part)

    def _list(self, target: _Target, query: dict[str, str]) -> Object:
        version, begin = self.store.version, 0
        if token := query.get("continue"):
            began, _, at = token.partition(":")
            if int(began) < self.store.oldest:
                raise Refused(410, "Expired", "the provided continue parameter is too old")
            version, begin = int(began), int(at)
        found = [item for _, item in sorted(self._chosen(target, query))]
        limit = min(int(query.get("limit", 0)) or len(found) + 1, self.page_limit)
        page = found[begin : begin + limit]
        meta: Object = {"resourceVersion": str(version)}
        if begin + limit < len(found) and query.get("limit"):
            meta["continue"] = f"{version}:{begin + limit}"
        else:
            page = found[begin:]
        return {"kind": f"{target.resource.kind}List", "metadata": meta, "items": page or None}

    def _chosen(self, target: _Target, query: dict[str, str]) -> Iterable[tuple[tuple[str, str], Object]]:
        for key, item in self.store.kind(str(target.resource)).items():
            if self._wanted(target, query, item):
                yield key, item

    def _wanted(self, target: _Target, query: dict[str, str], item: Object) -> bool:
        if target.namespace and item["metadata"].get("namespace") != target.namespace:
            return False
        return selected(item, query.get("labelSelector", ""), query.get("fieldSelector", ""))

    def _watch(self, target: _Target, query: dict[str, str]) -> Response:
        since = int(query.get("resourceVersion") or self.store.version)
        if since < self.store.oldest:
            raise Refused(410, "Expired", "too old resource version")
        stream = self._events(target, query, since)
        return StreamingResponse(stream, media_type="application/json")

    async def _events(self, target: _Target, query: dict[str, str], since: int) -> AsyncIterator[bytes]:
        queue: asyncio.Queue[object] = asyncio.Queue()
        self._watches.add(queue)
        end = asyncio.get_running_loop().time() + float(query.get("timeoutSeconds", 300))
        yield b""  # the answer's head goes out at once
        try:
            while True:
                changed = self.store.changed  # taken first: what comes while lines are sent must be seen, too
                for past in [each for each in self.store.past if each.version > since]:
                    since = past.version
                    if past.plural == str(target.resource) and self._wanted(target, query, past.object):
                        yield line(past)
                said = await either(queue, changed, end)
                if said is NO_MORE_WATCHING:
                    return
                if isinstance(said, Exception):
                    yield b'{"type": "ADD'
                    raise said
                if said is not None:
                    yield json.dumps(said).encode() + b"\n"
        finally:
            self._watches.discard(queue)


def _verb(method: str, watching: bool, target: _Target | None) -> str:
    if watching:
        return "watch"
    if method == "GET":
        return "get" if target is not None and target.name else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]


@contextlib.asynccontextmanager
async def running(*resources: Resource) -> AsyncIterator[ApiServer]:
    """An API server that runs, and knows these resources."""
    server = ApiServer()
    server.serve(*resources)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
