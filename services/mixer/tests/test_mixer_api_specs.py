"""Which API a call is of: HTTPAPISpecs and their bindings, as the proxies of Istio 1.4 evaluated them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse
from google.protobuf import json_format

from flotilla_mixer.configuration.api_specs import LONGEST_REMEMBERED, MEMO_SIZE
from flotilla_mixer.configuration.uri_templates import PathTable, TemplateError, parse_template
from flotilla_mixer.testing.meshes import MESH, configured, problems
from flotilla_mixer.testing.running import ID, Running
from flotilla_shared.model.expressions import Duration, Timestamp
from flotilla_shared.model.static_attributes import METADATA, service_attributes

# Templates.

TEMPLATES = {
    "/": (),
    "/a": ("a",),
    "/a/*/b": ("a", "*", "b"),
    "/a/**": ("a", "**"),
    "/a/**/b/c": ("a", "**", "b", "c"),
    "/a/{id}": ("a", "*"),
    "/a/{id=b/*}/c": ("a", "b", "*", "c"),
    "/a/{name.first=**}": ("a", "**"),
    "/a.b-c~d/e_f": ("a.b-c~d", "e_f"),
}


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_template_is_segments(text: str) -> None:
    assert parse_template(text).segments == TEMPLATES[text]
    assert parse_template(text).verb == ""
    if text != "/":
        verbed = parse_template(f"{text}:do")
        assert (verbed.segments, verbed.verb) == (TEMPLATES[text], "do")


NO_TEMPLATES = [
    "",
    "a",
    "//",
    "/a//b",
    "/a/",
    "/a{x=b/**}/{y=*}",
    "/a{x=b/**}/bb/{y=**}",
    "/a/**/*",
    "/a/**/foo/*",
    "/a/**/**",
    "/a/**/foo/**",
    "/a/{}",
    "/a/{1}",
    "/a/{x",
    "/a/{x=}",
    "/a/{x={y}}",
    "/a/{x}b",
    "/a/b=c",
    "/a:b:c",
    "/a" * 101,
]


@pytest.mark.parametrize("text", NO_TEMPLATES)
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(TemplateError):
        parse_template(text)


WILD = ["GET /a/**", "GET /b/*", "GET /c/*/d/**", "GET /c/*/d/e", "GET /c/f/d/e"]
VERBS = [
    *("GET /some/const:verb", "GET /some/*:verb", "GET /some/*/foo:verb"),
    *("GET /other/**:verb", "GET /other/**/const:verb"),
]
# Templates, a call, and the template that it is of.
FOUND: list[tuple[list[str], str, str | None]] = [
    (["GET /**"], "GET /", "GET /**"),
    (["GET /**"], "GET /a/", "GET /**"),
    (["GET /**"], "GET /a/b/c", "GET /**"),
    (WILD, "GET /a/b", "GET /a/**"),
    (WILD, "GET /a/b/c", "GET /a/**"),
    (WILD, "GET /b/c", "GET /b/*"),
    (WILD, "GET /b/c/d", None),
    (WILD, "GET b/c/d", None),
    (WILD, "GET /c/u/d/v", "GET /c/*/d/**"),
    (WILD, "GET /c/v/d/w/x", "GET /c/*/d/**"),
    (WILD, "GET /c/x/y/d/z", None),
    (WILD, "GET /c//v/d/w/x", None),
    (WILD, "GET /c/x/d/e", "GET /c/*/d/e"),
    (WILD, "GET /c/f/d/e", "GET /c/f/d/e"),
    (WILD, "POST /a/b", None),
    (["* /a/**"], "DELETE /a/b", "* /a/**"),
    (["* /a", "GET /a"], "GET /a", "GET /a"),
    (VERBS, "GET /some/const:verb", "GET /some/const:verb"),
    (VERBS, "GET /some/other:verb", "GET /some/*:verb"),
    (VERBS, "GET /some/other:verb/", None),
    (VERBS, "GET /some/bar/foo:verb", "GET /some/*/foo:verb"),
    (VERBS, "GET /some/foo1/foo2/foo:verb", None),
    (VERBS, "GET /some/foo/bar:verb", None),
    (VERBS, "GET /other/bar/foo:verb", "GET /other/**:verb"),
    (VERBS, "GET /other/bar/foo/const:verb", "GET /other/**/const:verb"),
    (["GET /*/*:verb"], "GET /some:verb/const:verb", "GET /*/*:verb"),
    (["GET /foo/*"], "GET /foo/other:verb", "GET /foo/*"),
    (["GET /foo/*/hello"], "GET /foo/other:verb/hello", "GET /foo/*/hello"),
    (["GET /a/b/c", "GET /a/b"], "GET /a/b/c/d", None),
    (["GET /a/b/c", "GET /a/b"], "GET /a/b", "GET /a/b"),
    (["GET /a/b/c/d"], "GET /a/b/c", None),
    (["GET /a/b"], "GET /a/b?c=/d", "GET /a/b"),
    (["GET /a/b"], "GET /a/b//", "GET /a/b"),
    ([], "GET /a", None),
    (["GET /a/**"], "GET /a" + "/b" * 20_000, "GET /a/**"),
    (["GET /a/**/z"], "GET /a" + "/b" * 20_000, None),
]


@pytest.mark.parametrize(("templates", "call", "expected"), FOUND, ids=lambda each: str(each)[:60])
def test_the_template_that_fits_best_is_found(templates: list[str], call: str, expected: str | None) -> None:
    table: PathTable[str] = PathTable()
    for each in templates:
        table.add(*each.split(" ", 1), each)
    assert table.find(*call.split(" ", 1)) == expected


def test_of_two_templates_of_the_same_paths_the_first_stays() -> None:
    table: PathTable[str] = PathTable()
    table.add("GET", "/a/{id}", "first")
    table.add("POST", "/a/{name}", "other method")
    with pytest.raises(TemplateError, match="stays"):
        table.add("GET", "/a/{name}", "second")
    assert (table.find("GET", "/a/x"), table.find("POST", "/a/x")) == ("first", "other method")


# Specs.

SPEC = """\
apiVersion: config.istio.io/v1alpha2
kind: HTTPAPISpec
metadata: {name: books, namespace: default}
spec:
  attributes: {attributes: {api.service: {stringValue: books}, api.version: {stringValue: v1}}}
  patterns:
  - attributes: {attributes: {api.operation: {stringValue: read}}}
    httpMethod: GET
    uriTemplate: /books/{id}
  - attributes: {attributes: {api.version: {stringValue: v2}}}
    httpMethod: GET
    regex: /books/9.*
---
apiVersion: config.istio.io/v1alpha2
kind: HTTPAPISpecBinding
metadata: {name: books, namespace: default}
spec:
  services: [{name: ratings}]
  apiSpecs: [{name: books}]
"""
RATINGS = service_attributes("ratings.default.svc.cluster.local", "default")


def described(text: str, method: str = "GET", path: str = "/books/1", **more: object) -> dict[str, object]:
    """What the specs add to a call of ratings."""
    bag: dict[str, object] = {**RATINGS, "request.method": method, "request.path": path, **more}
    before = set(bag)
    configured(text).apis.put(bag)
    return {name: value for name, value in bag.items() if name not in before}


OF_ALL = {"api.service": "books", "api.version": "v1"}
DESCRIBED = [
    ("GET", "/books/1", OF_ALL | {"api.operation": "read"}),
    ("GET", "/books/1?x=y", OF_ALL | {"api.operation": "read"}),
    ("GET", "/books/91", {"api.service": "books", "api.version": "v2", "api.operation": "read"}),
    ("GET", "/books/9/pages", {"api.service": "books", "api.version": "v2"}),
    ("POST", "/books/9", OF_ALL),
    ("GET", "/other/books/9", OF_ALL),  # a pattern is of the whole path
]


@pytest.mark.parametrize(("method", "path", "expected"), DESCRIBED)
def test_what_is_more_exact_counts(method: str, path: str, expected: dict[str, str]) -> None:
    assert described(SPEC, method, path) == expected


def test_paths_that_requests_bring_take_bounded_memory() -> None:
    ((_, (spec,)),) = configured(SPEC).apis.bindings
    for number in range(3 * MEMO_SIZE):
        assert spec.describe("GET", f"/books/{number}")["api.operation"] == "read"
    assert spec.describe("GET", "/books/" + "1" * 10_000)["api.operation"] == "read"
    assert len(spec._described) <= MEMO_SIZE
    assert max(len(path) for _, path in spec._described) <= LONGEST_REMEMBERED


def test_every_type_of_value_is_taken() -> None:
    manifest = """\
---
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: own, namespace: default}
spec:
  attributes:
    an.int: {valueType: INT64}
    a.double: {valueType: DOUBLE}
    a.bool: {valueType: BOOL}
    an.ip: {valueType: IP_ADDRESS}
    a.time: {valueType: TIMESTAMP}
    a.span: {valueType: DURATION}
    a.map: {valueType: STRING_MAP}
    a.uri: {valueType: URI}
"""
    values = """{an.int: {int64Value: 7}, a.double: {doubleValue: 1.5}, a.bool: {boolValue: true}, an.ip: {bytesValue: fwAAAQ==},
      a.time: {timestampValue: '1970-01-01T00:00:02Z'}, a.span: {durationValue: 3s}, a.uri: {stringValue: 'http://a'},
      a.map: {stringMapValue: {entries: {k: v}}}}"""
    spec = SPEC.replace("{api.service: {stringValue: books}, api.version: {stringValue: v1}}", values)
    found = described(spec + manifest, "PUT")
    assert found == {
        "an.int": 7,
        "a.double": 1.5,
        "a.bool": True,
        "an.ip": b"\x7f\0\0\1",
        "a.time": Timestamp(2_000_000_000),
        "a.span": Duration(3_000_000_000),
        "a.map": {"k": "v"},
        "a.uri": "http://a",
    }
    assert isinstance(found["a.span"], Duration)
    assert isinstance(found["a.bool"], bool)


def test_what_was_seen_or_proven_stays() -> None:
    text = SPEC.replace("api.version: {stringValue: v1}", "source.principal: {stringValue: root}")
    found = described(text, "PUT", **{"source.principal": "cluster.local/ns/a/sa/b"})
    assert "source.principal" not in found
    assert described(text, "PUT")["source.principal"] == "root"


KEYS = [
    # where keys are, by default and as a spec says; and where one is found
    ("", {"request.query_params": {"key": "a", "api_key": "b"}, "request.headers": {"x-api-key": "c"}}, "a"),
    ("", {"request.query_params": {"api_key": "b"}, "request.headers": {"x-api-key": "c"}}, "b"),
    ("", {"request.headers": {"x-api-key": "c"}}, "c"),
    ("", {"request.headers": {"cookie": "key=d"}}, None),
    ("", {}, None),
    ("query: own", {"request.query_params": {"own": "a", "key": "b"}}, "a"),
    ("query: own", {"request.query_params": {"key": "b"}}, None),
    ("header: Own-Key", {"request.headers": {"own-key": "c"}}, "c"),
    ("cookie: Own-Key", {"request.headers": {"cookie": 'a=b; Own-Key="d"; Own-Key=e'}}, "d"),
    ("cookie: Own-Key", {"request.headers": {"cookie": "own-key=d"}}, None),
    ("cookie: own}, {header: own", {"request.headers": {"cookie": "a", "own": "c"}}, "c"),
]


@pytest.mark.parametrize(("said", "given", "expected"), KEYS)
def test_where_a_key_is_found(said: str, given: dict[str, Any], expected: str | None) -> None:
    spec = SPEC.replace("  patterns:", f"  apiKeys: [{{{said}}}]\n  patterns:") if said else SPEC
    assert described(spec, "PUT", **given).get("request.api_key") == expected


BOUND = [
    ("{name: ratings}", True),
    ("{name: ratings, namespace: default}", True),
    ("{name: ratings, namespace: other}", False),
    ("{service: ratings.default.svc.cluster.local}", True),
    ("{service: '*'}", True),
    ("{service: reviews.default.svc.cluster.local}", False),
    ("{name: reviews}, {name: ratings}", True),
]


@pytest.mark.parametrize(("services", "concerned"), BOUND)
def test_whom_a_binding_concerns(services: str, concerned: bool) -> None:
    assert bool(described(SPEC.replace("{name: ratings}", services))) is concerned


def test_a_call_without_a_method_is_of_no_api() -> None:
    bag: dict[str, object] = {**RATINGS, "context.protocol": "tcp"}
    configured(SPEC).apis.put(bag)
    assert "api.service" not in bag


WRONG = [
    ("/books/{id}", "books", ("httpapispec", "books", "spec.patterns[0].uriTemplate", "bad-pattern")),
    ("regex: /books/9.*", "regex: '('", ("httpapispec", "books", "spec.patterns[1].regex", "bad-pattern")),
    (
        "regex: /books/9.*",
        "uriTemplate: /books/*",
        ("httpapispec", "books", "spec.patterns[1].uriTemplate", "bad-pattern"),
    ),
    (
        "api.operation: {stringValue: read}",
        "api.operation: {int64Value: 1}",
        ("httpapispec", "books", "spec.patterns[0].attributes.attributes[api.operation]", "wrong-type"),
    ),
    (
        "api.version: {stringValue: v1}",
        "api.versoin: {stringValue: v1}",
        ("httpapispec", "books", "spec.attributes.attributes[api.versoin]", "unknown-attribute"),
    ),
    (
        "apiSpecs: [{name: books}]",
        "apiSpecs: [{name: cooks}]",
        ("httpapispecbinding", "books", "spec.apiSpecs[0]", "no-api-spec"),
    ),
]


@pytest.mark.parametrize(("right", "wrong", "told"), WRONG)
def test_what_is_wrong_is_left_out_and_told(right: str, wrong: str, told: tuple[str, ...]) -> None:
    assert right in SPEC
    assert problems(configured(SPEC.replace(right, wrong))) == [told]
    assert problems(configured(MESH, SPEC)) == []


# The whole of Mixer: a rule that looks at the API, and metrics of it.

POLICY = """\
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: keys, namespace: default}
spec: {compiledAdapter: listchecker, params: {overrides: [secret]}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: key, namespace: default}
spec: {compiledTemplate: listentry, params: {value: request.api_key | "none"}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: keys, namespace: default}
spec: {match: api.operation == "read", actions: [{handler: keys, instances: [key]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: prom, namespace: default}
spec:
  compiledAdapter: prometheus
  params: {metrics: [{name: calls_total, instanceName: calls.instance.default, kind: COUNTER, labelNames: [source, service, code]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec:
  compiledTemplate: metric
  params:
    value: '1'
    dimensions: {source: request.api_key | "none", service: api.service | "none", code: api.operation | "none"}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: count, namespace: default}
spec: {actions: [{handler: prom, instances: [calls]}]}
"""


async def asked(running: Running, path: str, **headers: str) -> CheckResponse:
    http = {"method": "GET", "host": "ratings:9080", "path": path, "scheme": "http", "headers": headers}
    return await running.check(
        source={"address": _address("127.0.2.4"), "principal": f"{ID}reviews"},
        destination={"address": _address("127.0.0.1"), "principal": f"{ID}ratings"},
        request={"http": http},
        routeMetadataContext={"filterMetadata": {METADATA: RATINGS}},
    )


def _address(address: str) -> dict[str, Any]:
    return {"socketAddress": {"address": address, "portValue": 9080}}


async def test_a_check_is_decided_by_the_key_of_the_api(running: Running) -> None:
    await running.put(SPEC + POLICY)
    assert (await asked(running, "/books/1", **{"x-api-key": "secret"})).status.code == 0
    denied = await asked(running, "/books/1", **{"x-api-key": "wrong"})
    assert denied.denied_response.body.endswith("wrong is not whitelisted")
    assert (await asked(running, "/books/1?key=secret")).status.code == 0
    assert (await asked(running, "/books/1")).status.code == 7
    assert (await asked(running, "/shelves/1")).status.code == 0  # no operation that the rule is about


async def test_a_report_is_of_the_same_api_as_its_check(running: Running) -> None:
    """The key is in a header, which the log does not have: the answer of the Check takes it there."""
    await running.put(SPEC + POLICY)
    answer = await asked(running, "/books/1", **{"x-api-key": "secret"})
    said = json_format.MessageToDict(answer.dynamic_metadata)
    assert said == {"request.api_key": "secret"}
    entry = {
        "common_properties": {
            "downstream_direct_remote_address": {"socket_address": {"address": "127.0.2.4"}},
            "custom_tags": {"route": orjson.dumps(RATINGS).decode(), "flags": "-"},
            "metadata": {"filter_metadata": {"envoy.filters.http.ext_authz": said}},
        },
        "request": {"request_method": "GET", "path": "/books/1"},
        "response": {"response_code": 200},
    }
    await running.report(entry)
    entry["common_properties"].pop("metadata")
    entry["request"]["path"] = "/books/1?key=open"
    await running.report(entry)
    entry["request"]["path"] = "/shelves"
    await running.report(entry)
    assert running.counted() == {
        ("secret", "books", "read"): 1,
        ("open", "books", "read"): 1,
        ("none", "books", "none"): 1,
    }


async def test_a_denial_tells_the_key_too(running: Running) -> None:
    await running.put(SPEC + POLICY)
    denied = await asked(running, "/books/1", **{"x-api-key": "wrong"})
    said = json_format.MessageToDict(denied.dynamic_metadata)
    assert said["request.api_key"] == "wrong"
    assert said["check.error_code"] == 7
