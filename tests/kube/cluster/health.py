"""Asks components whether they are ready. Called in the node's network; each gives why not, or nothing."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.query

from tests.kube.cluster.layout import API_PORT, NODE_ADDRESS, NODE_NAME, Layout

TIMEOUT_SECONDS = 5


def answers(port: int, path: str, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> str:
    """Ready when a GET gives 200."""
    try:
        status, body = _get(host, port, path, tls)
    except (OSError, http.client.HTTPException) as error:
        return f"{host}:{port} {error}"
    return "" if status == 200 else f"{host}:{port}{path} answers {status} {body[:200]!r}"


def unverified() -> ssl.SSLContext:
    """For components that make their own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def as_admin(layout: Layout) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=layout.keys / "ca.crt")
    context.load_cert_chain(layout.keys / "admin.crt", layout.keys / "admin.key")
    return context


def exists(layout: Layout, path: str, fits: Callable[[Any], bool] = bool) -> str:
    """Ready when the API server has the object, and it fits."""
    try:
        status, body = _get(NODE_ADDRESS, API_PORT, path, as_admin(layout))
    except (OSError, http.client.HTTPException) as error:
        return f"the API server: {error}"
    if status != 200:
        return f"{path} answers {status}"
    return "" if fits(json.loads(body)) else f"{path} is not as it should be yet"


def node_is_ready(layout: Layout) -> str:
    return exists(layout, f"/api/v1/nodes/{NODE_NAME}", _ready)


def _ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _get(host: str, port: int, path: str, tls: ssl.SSLContext | None) -> tuple[int, bytes]:
    connection = (
        http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=tls)
        if tls
        else http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def resolves(name: str) -> str:
    """Ready when the cluster's DNS server knows the name."""
    query = dns.message.make_query(name, "A")
    try:
        response = dns.query.udp(query, NODE_ADDRESS, timeout=TIMEOUT_SECONDS)
    except (OSError, dns.exception.DNSException) as error:
        return f"{NODE_ADDRESS}:53 {error}"
    return "" if response.answer else f"{name} is not known"
