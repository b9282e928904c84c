"""Reviews a second of CPU through Galley's admission webhook: HTTPS, review in and out, the object judged.

Compared with the same server whose decision is a constant, in the same run: what remains is HTTP, TLS and JSON. Client and server
share one process, so both columns hold the client's own cost.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time

import uvloop

from bench.table import table
from bench.validation import OBJECTS
from flotilla_galley.admission.decide import decide
from flotilla_galley.admission.webhook import PATH
from flotilla_shared.notation.values import read_value
from flotilla_shared.runtime.kube.admission import AdmissionAnswer, Decide
from flotilla_shared.runtime.kube.admission_server import AdmissionServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

NAME = "istio-galley.istio-system.svc"
CONNECTIONS, SECONDS = 8, 4.0


def measure() -> str:
    rows = []
    for name, text in OBJECTS.items():
        request = _request(text)
        limit = uvloop.run(_reviews(request, lambda review, path: AdmissionAnswer(True)))
        judged = uvloop.run(_reviews(request, lambda review, path: decide(review).answer))
        rows.append((judged / limit, name, judged, limit, 1e6 / judged))
    header = ("ratio", "object", "reviews/s of CPU", "with a constant answer", "us a review")
    return table(f"Admission reviews over HTTPS ({CONNECTIONS} connections)", header, rows)


def _request(text: str) -> bytes:
    """A review as the API server sends it, head and body."""
    written = read_value(text)
    group, _, version = written["apiVersion"].rpartition("/")
    names = {"group": group, "version": version, "kind": written["kind"]}
    asked = {"uid": "u", "operation": "CREATE", "kind": names, "namespace": "default", "object": written}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    body = json.dumps(review).encode()
    head = f"POST {PATH}?timeout=5s HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _reviews(request: bytes, answer: Decide) -> float:
    """How many a second of CPU, which neighbours on the machine disturb little."""
    authority = CertificateAuthorityForTests()
    identity = authority.identity("spiffe://cluster.local/ns/istio-system/sa/istio-galley-service-account", NAME)
    server = AdmissionServer(identity, {PATH: answer}, "127.0.0.1", 0)
    await server.start()
    await server.listening.wait()
    context = ssl.create_default_context(cadata=authority.root_pem)
    end, began = time.perf_counter() + SECONDS, time.process_time()
    counts = await asyncio.gather(*(_ask(server.port, context, request, end) for _ in range(CONNECTIONS)))
    spent = time.process_time() - began
    await server.stop()
    return sum(counts) / spent


async def _ask(port: int, context: ssl.SSLContext, request: bytes, end: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=NAME)
    count = 0
    while time.perf_counter() < end:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        assert b'"allowed":true' in body, body
        count += 1
    writer.close()
    await writer.wait_closed()
    return count
