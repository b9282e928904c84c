"""Rows of what a client sees: the rules of a host, a call, and what comes of it. Each row has a host of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import Any, NamedTuple

import httpx


class Row(NamedTuple):
    """`sees` maps what is looked at to what it must be; None: it must not be there.

    `status`; `name`, `method`, `target` of what the application was asked; `sent NAME` a header that the application
    got; `NAME:` one that the client got.
    """

    what: str
    rules: str
    call: str
    sees: Mapping[str, Any]
    headers: Mapping[str, str] = {}


def host_of(row: Row) -> str:
    """The words of the row as a name in example.com."""
    return f"{row.what.lower().replace(' ', '-')}.example.com"


def services(hosts: Iterable[str], port: str) -> str:
    """ServiceEntries of hosts with endpoints v1 and v2 on the ports `$v1` and `$v2`; `port` is the port's YAML."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {next(iter(hosts)).partition(".")[0]}, namespace: default}}
spec:
  hosts: [{", ".join(hosts)}]
  resolution: STATIC
  ports: [{port}]
  endpoints:
  - {{address: 127.0.0.1, ports: {{http: $v1}}, labels: {{version: v1}}}}
  - {{address: 127.0.0.1, ports: {{http: $v2}}, labels: {{version: v2}}}}
"""


def virtual_service(host: str, rules: str, part: str = "http") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {host.partition(".")[0]}, namespace: default}}
spec:
  hosts: [{host}]
  {part}:
{indent(rules.strip(), "  ")}
"""


def destination_rule(host: str, policy: str, versions: Iterable[str] = ("v1", "v2")) -> str:
    """A subset for each version of a host, and the policy for its traffic."""
    subsets = ", ".join(f"{{name: {each}, labels: {{version: {each}}}}}" for each in versions)
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host.partition(".")[0]}, namespace: default}}
spec:
  host: {host}
  trafficPolicy: {{{policy}}}
  subsets: [{subsets}]
"""


def http_proxy(name: str = "caller", hosts: str = '"*/*"', more: str = "") -> str:
    """The Sidecar of a workload whose way out is an HTTP proxy on the port `$proxy`."""
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: {name}, namespace: default}}
spec:
  workloadSelector: {{labels: {{app: {name}}}}}
  egress: [{{port: {{number: $proxy, protocol: HTTP_PROXY, name: proxy}}, bind: 127.0.0.1, hosts: [{hosts}]}}]
{more}
"""


async def call(http: httpx.AsyncClient, row: Row) -> httpx.Response:
    method, target = row.call.split(" ")
    return await http.request(method, f"http://{host_of(row)}{target}", headers=dict(row.headers))


def seen(answer: httpx.Response, sees: Iterable[str]) -> dict[str, Any]:
    """What a row looks at, as it was."""
    told = answer.json() if answer.headers.get("content-type") is None and answer.text.startswith("{") else {}
    found = {"status": answer.status_code, "text": answer.text, **told}
    for name in sees:
        if name.startswith("sent "):
            found[name] = told.get("headers", {}).get(name.removeprefix("sent "))
        elif name.endswith(":"):
            found[name] = answer.headers.get(name.removesuffix(":"))
    return {name: found.get(name) for name in sees}
