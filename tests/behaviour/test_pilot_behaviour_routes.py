"""Rules of a VirtualService as a client sees them: which rule takes a request, and what becomes of the request."""

from __future__ import annotations

import pytest
import pytest_asyncio

from flotilla_shared.testing.ports import free_port
from tests.behaviour.application import Application
from tests.behaviour.rows import Row, call, destination_rule, host_of, http_proxy, seen, services, virtual_service
from tests.behaviour.small_mesh import SmallMesh, client

pytestmark = pytest.mark.asyncio(loop_scope="module")

V1 = "route: [{destination: {host: target.example.com, subset: v1}}]"
V2 = "route: [{destination: {host: target.example.com, subset: v2}}]"
TAKEN, NOT = {"name": "v2"}, {"name": "v1"}


def matched(match: str) -> str:
    """What the match takes goes to v2, all else to v1."""
    return f"- match: [{{{match}}}]\n  {V2}\n- {V1}"


BROWSER = {"origin": "https://shop.example.com"}
PREFLIGHT = {**BROWSER, "access-control-request-method": "PUT"}
CORS = f"""
- corsPolicy:
    allowOrigins: [{{regex: "https://.*[.]example[.]com"}}]
    allowMethods: [PUT, GET]
    allowHeaders: [x-asked]
    exposeHeaders: [x-shown]
    maxAge: 3600s
    allowCredentials: true
  {V1}
"""
HEADERS = """
- headers:
    request: {set: {x-set: new}, add: {x-added: more}, remove: [x-gone]}
    response: {set: {x-answer: new}, add: {x-more: more}, remove: [x-secret]}
  route:
  - destination: {host: target.example.com, subset: v1}
    headers: {request: {set: {x-destination: v1}}}
"""
ROWS = [
    Row("uri exact", matched("uri: {exact: /a}"), "GET /a?x=1", TAKEN),
    Row("uri exact no prefix", matched("uri: {exact: /a}"), "GET /ab", NOT),
    Row("uri prefix", matched("uri: {prefix: /a}"), "GET /ab/c", TAKEN),
    Row("uri regex", matched('uri: {regex: "/[0-9]+"}'), "GET /17", TAKEN),
    Row("uri regex is whole", matched('uri: {regex: "/[0-9]+"}'), "GET /17/x", NOT),
    Row("uri any case", matched("uri: {exact: /Shop}, ignoreUriCase: true"), "GET /sHOP", TAKEN),
    Row("method", matched("method: {exact: POST}"), "POST /", TAKEN),
    Row("other method", matched("method: {exact: POST}"), "GET /", NOT),
    Row("authority", matched("authority: {prefix: authority}"), "GET /", TAKEN),
    Row("other authority", matched("authority: {exact: else.example.com}"), "GET /", NOT),
    Row("scheme", matched("scheme: {exact: http}"), "GET /", TAKEN),
    Row("header exact", matched("headers: {x-user: {exact: a}}"), "GET /", TAKEN, {"x-user": "a"}),
    Row("header regex", matched('headers: {x-user: {regex: "a+"}}'), "GET /", TAKEN, {"x-user": "aaa"}),
    Row("header is there", matched("headers: {x-user: {}}"), "GET /", TAKEN, {"x-user": "any"}),
    Row("header is not there", matched("headers: {x-user: {}}"), "GET /", NOT),
    Row("without header", matched("withoutHeaders: {x-user: {exact: a}}"), "GET /", NOT, {"x-user": "a"}),
    Row("without that header", matched("withoutHeaders: {x-user: {exact: a}}"), "GET /", TAKEN, {"x-user": "b"}),
    Row("query exact", matched("queryParams: {v: {exact: two}}"), "GET /?v=two", TAKEN),
    Row("query prefix", matched("queryParams: {v: {prefix: tw}}"), "GET /?a=b&v=two", TAKEN),
    Row("query other", matched("queryParams: {v: {exact: two}}"), "GET /?v=one", NOT),
    Row("both of a match", matched("uri: {prefix: /a}, method: {exact: POST}"), "GET /a", NOT),
    Row("own labels", matched("sourceLabels: {app: caller}"), "GET /", TAKEN),
    Row("labels of others", matched("sourceLabels: {app: other}"), "GET /", NOT),
    Row("own namespace", matched("sourceNamespace: default"), "GET /", TAKEN),
    Row("prefix rewrite", f"- match: [{{uri: {{prefix: /old/}}}}]\n  rewrite: {{uri: /new/}}\n  {V1}", "GET /old/a?b", {"target": "/new/a?b"}),
    Row("exact rewrite", f"- match: [{{uri: {{exact: /old}}}}]\n  rewrite: {{uri: /new}}\n  {V1}", "GET /old", {"target": "/new"}),
    Row("regex rewrite", f"- rewrite: {{uriRegexRewrite: {{match: '/(.*)/x', rewrite: '/y/\\1'}}}}\n  {V1}", "GET /a/x", {"target": "/y/a"}),
    Row("authority rewrite", f"- rewrite: {{authority: inner}}\n  {V1}", "GET /", {"sent host": "inner"}),
    Row("redirect", "- redirect: {uri: /b, authority: else.example.com, redirectCode: 307}", "GET /a", {"status": 307, "location:": "http://else.example.com/b"}),
    Row("redirect of scheme", "- redirect: {scheme: https, port: 8443}", "GET /a?b", {"status": 301, "location:": "https://redirect-of-scheme.example.com:8443/a?b"}),
    Row("direct response", "- directResponse: {status: 418, body: {string: short}}", "GET /", {"status": 418, "text": "short"}),
    Row("header operations", HEADERS, "GET /", {"sent x-set": "new", "sent x-added": "old,more", "sent x-gone": None, "sent x-destination": "v1", "x-answer:": "new", "x-more:": "more", "x-secret:": None}, {"x-set": "old", "x-added": "old", "x-gone": "1"}),
    Row("abort", f"- fault: {{abort: {{httpStatus: 555, percentage: {{value: 100}}}}}}\n  {V1}", "GET /", {"status": 555, "text": "fault filter abort"}),
    Row("no abort", f"- fault: {{abort: {{httpStatus: 555, percentage: {{value: 0}}}}}}\n  {V1}", "GET /", {"status": 200}),
    Row("preflight", CORS, "OPTIONS /", {"status": 200, "access-control-allow-origin:": BROWSER["origin"], "access-control-allow-methods:": "PUT,GET", "access-control-allow-headers:": "x-asked", "access-control-max-age:": "3600", "access-control-allow-credentials:": "true", "name": None}, PREFLIGHT),
    Row("cross origin", CORS, "GET /", {"name": "v1", "access-control-allow-origin:": BROWSER["origin"], "access-control-expose-headers:": "x-shown"}, BROWSER),
    Row("foreign origin", CORS, "GET /", {"name": "v1", "access-control-allow-origin:": None}, {"origin": "https://evil.example"}),
    Row("query there", matched("queryParams: {v: {}}"), "GET /?v", TAKEN),
    Row("query regex", matched("queryParams: {v: {regex: '[0-9]+'}}"), "GET /?v=17", TAKEN),
    Row("one of two matches", matched("uri: {exact: /a}}, {method: {exact: POST}"), "POST /b", TAKEN),
    Row("own port", matched("port: 80"), "GET /", TAKEN),
    Row("other port", matched("port: 81"), "GET /", NOT),
    Row("gateway mesh", matched("gateways: [mesh]"), "GET /", TAKEN),
    Row("gateway of others", matched("gateways: [default/edge]"), "GET /", NOT),
    Row("host set as header", f"- headers: {{request: {{set: {{Host: inner}}}}}}\n  {V1}", "GET /", {"sent host": "inner"}),
    Row("header of the client", f"- headers: {{request: {{set: {{x-path: '%REQ(:path)%'}}}}}}\n  {V1}", "GET /a", {"sent x-path": "/a"}),
    Row("prefix redirect", "- match: [{uri: {prefix: /old}}]\n  redirect: {prefixRewrite: /new}", "GET /old/a", {"status": 301, "location:": "http://prefix-redirect.example.com/new/a"}),
    Row("port of the protocol", "- redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}", "GET /a", {"status": 301, "location:": "https://port-of-the-protocol.example.com/a"}),
    Row("response of bytes", "- directResponse: {status: 200, body: {bytes: c2hvcnQ=}}", "GET /", {"status": 200, "text": "short"}),
    Row("direct response and headers", "- headers: {response: {set: {x-more: more}}}\n  directResponse: {status: 200}", "GET /", {"status": 200, "x-more:": "more"}),
    Row("foreign preflight", CORS, "OPTIONS /", {"name": "v1", "access-control-allow-origin:": None}, {**PREFLIGHT, "origin": "https://evil.example"}),
    Row("ignored preflight", CORS.replace("maxAge: 3600s", "unmatchedPreflights: IGNORE"), "OPTIONS /", {"status": 200, "name": None}, {**PREFLIGHT, "origin": "https://evil.example"}),
    Row("fault for some", f"- match: [{{headers: {{x-user: {{exact: a}}}}}}]\n  fault: {{abort: {{httpStatus: 555, percentage: {{value: 100}}}}}}\n  {V1}\n- {V1}", "GET /", {"status": 200}, {"x-user": "b"}),
    Row("port of the destination", "- route: [{destination: {host: ports.example.com, port: {number: 81}}}]", "GET /", {"name": "v2"}),
    Row("whole weight and headers", "- route: [{destination: {host: target.example.com, subset: v2}, weight: 100, headers: {request: {add: {x-v: two}}, response: {remove: [x-secret]}}}]", "GET /", {"name": "v2", "sent x-v": "two", "x-secret:": None}),
    Row("first rule that matches", f"- match: [{{uri: {{prefix: /a}}}}]\n  {V1}\n- match: [{{uri: {{exact: /a/b}}}}]\n  {V2}", "GET /a/b", NOT),
    Row("no rule that matches", f"- match: [{{uri: {{prefix: /a}}}}]\n  {V1}", "GET /b", {"status": 404}),
    Row("subset unknown", "- route: [{destination: {host: target.example.com, subset: none}}]", "GET /", {"status": 503}),
    Row("delegated", "- match: [{uri: {prefix: /part}}]\n  delegate: {name: part}\n- directResponse: {status: 404}", "GET /part/x", {"name": "v2", "sent x-part": "yes"}),
    Row("not delegated", "- match: [{uri: {prefix: /part}}]\n  delegate: {name: part}\n- directResponse: {status: 404}", "GET /x", {"status": 404}),
]  # fmt: skip
PART = f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: part, namespace: default}}
spec:
  http:
  - match: [{{uri: {{prefix: /part/x}}}}]
    headers: {{request: {{set: {{x-part: "yes"}}}}}}
    {V2}
"""
OBJECTS = services(["target.example.com", *map(host_of, ROWS)], "{number: 80, name: http, protocol: HTTP}")
OBJECTS += "".join(virtual_service(host_of(row), row.rules) for row in ROWS)
PORTS = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ports, namespace: default}
spec:
  hosts: [ports.example.com]
  resolution: STATIC
  ports: [{number: 80, name: one, protocol: HTTP}, {number: 81, name: two, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {one: $v1, two: $v2}}]
"""
OBJECTS += PORTS + PART + destination_rule("target.example.com", "") + http_proxy()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(mesh: SmallMesh, versions: tuple[Application, Application]) -> int:
    port = free_port()
    mesh.publish(OBJECTS, {"v1": versions[0].port, "v2": versions[1].port, "proxy": port})
    await mesh.add("caller")
    await mesh.applied()
    return port


async def test_what_a_client_sees(proxy: int, versions: tuple[Application, Application]) -> None:
    """All rows over one client: a row costs a millisecond, and a failure tells of every row that is wrong."""
    for each in versions:
        each.headers = {"x-secret": "1", "x-answer": "old"}
    async with client(proxy) as http:
        found = {row.what: seen(await call(http, row), row.sees) for row in ROWS}
    assert found == {row.what: dict(row.sees) for row in ROWS}
