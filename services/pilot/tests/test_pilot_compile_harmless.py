"""What one object asks for and Envoy would refuse is left out and told; the rest of the mesh stays as it is.

Every case is asked of the real Envoy: were it not left out, Envoy would refuse the whole resource.
"""

from collections.abc import Callable

import pytest
from google.protobuf.message import Message

from flotilla_pilot.compile.access_log import TEXT_FORMAT
from flotilla_pilot.compile.guard import fault
from flotilla_pilot.compile.header_operations import _literal
from flotilla_pilot.compile.log_format import format_fault
from flotilla_pilot.compile.regex import regex_fault
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy

SERVICE = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s, namespace: default}
spec:
  hosts: [s.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
"""
PROXY = make_proxy("client")
ROUTE = "route: [{destination: {host: s}}]"
TO_NEXT, TO_503 = "requests go on to the next rule", "calls are answered 503"


def compile_rule(rule: str) -> Compiled:
    """A VirtualService with `rule` first and a plain one after it."""
    text = (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r, namespace: default}\n"
        f"spec: {{hosts: [s], http: [{{name: first, {rule}}}, {{name: last, {ROUTE}}}]}}\n"
    )
    return Mesh(SERVICE + text).compile(PROXY)


def route_names(compiled: Compiled) -> list[str]:
    return [route.name for route in compiled.routes["80"].virtual_hosts[0].routes]


MATCH = "match: [{uri: {exact: /x}}]"


@pytest.mark.parametrize(
    ("rule", "field", "outcome"),
    [
        (f"{MATCH}, {ROUTE}, timeout: -1s", "spec.http[0]", TO_503),
        (f"{MATCH}, {ROUTE}, retries: {{attempts: 1, backoff: 0s}}", "spec.http[0]", TO_503),
        (f"{MATCH}, {ROUTE}, retries: {{attempts: 1, perTryTimeout: -1s}}", "spec.http[0]", TO_503),
        (f'{MATCH}, {ROUTE}, headers: {{request: {{set: {{x: "a\\nb"}}}}}}', "spec.http[0]", TO_503),
        (f'{MATCH}, {ROUTE}, headers: {{request: {{set: {{host: "a\\nb"}}}}}}', "spec.http[0]", TO_503),
        (f'{MATCH}, {ROUTE}, rewrite: {{authority: "a\\nb"}}', "spec.http[0]", TO_503),
        (f'{MATCH}, redirect: {{uri: "a\\nb"}}', "spec.http[0]", TO_503),
        (f"{MATCH}, directResponse: {{status: 99}}", "spec.http[0].directResponse.status", "503 is sent"),
        (f'match: [{{uri: {{regex: "("}}}}], {ROUTE}', "spec.http[0].match[0].uri.regex", TO_NEXT),
        (
            f'match: [{{headers: {{x: {{regex: "(?=a)"}}}}}}], {ROUTE}',
            "spec.http[0].match[0].headers[x].regex",
            TO_NEXT,
        ),
        (
            f'match: [{{queryParams: {{q: {{regex: "["}}}}}}], {ROUTE}',
            "spec.http[0].match[0].queryParams[q].regex",
            TO_NEXT,
        ),
        (
            f'match: [{{withoutHeaders: {{x: {{regex: "a{{2000}}"}}}}}}], {ROUTE}',
            "spec.http[0].match[0].withoutHeaders[x].regex",
            TO_NEXT,
        ),
        (
            f'match: [{{method: {{regex: "*"}}, authority: {{regex: "("}}}}], {ROUTE}',
            "spec.http[0].match[0].authority.regex",
            TO_NEXT,
        ),
        (
            f'{MATCH}, {ROUTE}, rewrite: {{uriRegexRewrite: {{match: "(", rewrite: x}}}}',
            "spec.http[0].rewrite.uriRegexRewrite.match",
            "paths stay as they are",
        ),
        (
            f"{MATCH}, {ROUTE}, headers: {{response: {{remove: [':status']}}}}",
            "spec.http[0].headers.response.remove[0]",
            "left out",
        ),
        (
            f"{MATCH}, route: [{{destination: {{host: s}}, headers: {{request: {{add: {{Host: x}}}}}}}}]",
            "spec.http[0].route[0].headers.request.add[Host]",
            "left out",
        ),
        (f"{MATCH}, redirect: {{uri: /x, redirectCode: 304}}", "spec.http[0].redirect.redirectCode", "no redirect"),
    ],
)
def test_a_rule_that_envoy_would_refuse(
    rule: str, field: str, outcome: str, validate: Callable[[Compiled], None]
) -> None:
    compiled = compile_rule(rule)
    problems = [each for found in compiled.compiled.problems.values() for each in found]
    assert [each.field for each in problems] == [field]
    assert outcome in problems[0].text
    assert route_names(compiled)[-1] == "last"
    assert ("first" in route_names(compiled)) is (outcome not in (TO_NEXT, "no redirect"))
    validate(compiled)


@pytest.mark.parametrize(
    "rule",
    [
        f"{MATCH}, {ROUTE}, rewrite: {{uriRegexRewrite: {{match: a, rewrite: '\\1'}}}}",
        f"{MATCH}, {ROUTE}, fault: {{delay: {{fixedDelay: 0s, percentage: {{value: 10}}}}}}",
        f"{MATCH}, {ROUTE}, fault: {{delay: {{fixedDelay: 1s, percentage: {{value: 200}}}}, abort: {{httpStatus: 99}}}}",
        f"{MATCH}, {ROUTE}, corsPolicy: {{allowOrigins: [{{}}, {{regex: '('}}], maxAge: 1.5s}}",
        f"{MATCH}, {ROUTE}, mirrors: [{{destination: {{host: s}}, percentage: {{value: -1}}}}]",
        f"{MATCH}, {ROUTE}, retries: {{attempts: 1, retryOn: 'nonsense,999,503'}}",
        f"{MATCH}, route: [{{destination: {{host: s}}, weight: 0}}, {{destination: {{host: s}}, weight: 0}}]",
        f"{MATCH}, redirect: {{}}",
        f"{MATCH}, directResponse: {{status: 200, body: {{bytes: aGk=}}}}",
        f"match: [{{uri: {{prefix: ''}}}}, {{uri: {{regex: '.*'}}}}, {{headers: {{x: {{prefix: ''}}}}}}], {ROUTE}",
        *(
            f"{MATCH}, {ROUTE}, headers: {{request: {{set: {{x: '{value}'}}}}}}"
            for value in ("100%", "%FOO%", "%REQ()%")
        ),
    ],
)
def test_a_rule_that_is_odd_but_has_a_meaning(rule: str, validate: Callable[[Compiled], None]) -> None:
    compiled = compile_rule(rule)
    assert compiled.problems() == []
    validate(compiled)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/items/[0-9]+", ""),
        (r"^/api/v[12]/(?P<name>[a-z0-9-]{1,63})(/.*)?$", ""),
        (r"(?i)jason", ""),
        (r"(?<name>x)", ""),
        (r"\pL+\p{Greek}[[:alpha:]_]+\z", ""),
        (r"\Qa.b(\E", ""),
        (r"(?i:x)(?U)y+", ""),
        ("a{1000}", ""),
        ("(a|b)*c+?d??", ""),
        ("(", "is no regular expression"),
        ("a**", "is no regular expression"),
        (r"\x{10FFFF}", "is no regular expression"),
        ("(?=x)", "look-ahead"),
        ("(?!x)", "look-ahead"),
        ("(?<=x)y", "look-behind"),
        (r"(a)\1", "back-reference"),
        ("(?P<n>a)(?P=n)", "back-reference"),
        ("(a)?(?(1)b|c)", "conditional group"),
        ("(?>a)", "atomic group"),
        ("a++", "possessive repeat"),
        ("a{1001}", "repeats more than 1000 times"),
        ("(a{100}){100}", "repeats more than 1000 times"),
        ("((a{20}){20}){20}", "repeats more than 1000 times"),
        ("(abcdefghij|klmnopqrst){1000}", "too large"),
        (r"\u00e9", "which Envoy's RE2 has not"),
        (r"a\Z", "which Envoy's RE2 has not"),
        ("(?#note)a", "which Envoy's RE2 has not"),
        ("(?x) a", "uses the flags 'x'"),
        ("(?a:b)", "uses the flags 'a'"),
    ],
)
def test_which_patterns_are_refused_is_as_envoy_has_it(
    pattern: str, words: str, validate: Callable[[Compiled], None]
) -> None:
    assert words in regex_fault(pattern)
    assert bool(regex_fault(pattern)) is bool(words)
    quoted = pattern.replace("'", "''")
    validate(compile_rule(f"match: [{{uri: {{regex: '{quoted}'}}}}], {ROUTE}"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("50% off", "50%% off"),
        ("%", "%%"),
        ("100%%", "100%%"),
        ("%REQ(x-id)%", "%REQ(x-id)%"),
        ("%REQ(x?y):10%", "%REQ(x?y):10%"),
        ("%REQ()%", "%%REQ()%%"),
        ("%NOBODY%", "%%NOBODY%%"),
        ("a%PROTOCOL%b%", "a%PROTOCOL%b%%"),
        ("%START_TIME(%s)%", "%%START_TIME(%%s)%%"),
    ],
)
def test_a_percent_sign_is_a_command_only_where_envoy_knows_it(value: str, expected: str) -> None:
    assert _literal(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT_FORMAT, ""),
        ("%START_TIME% %START_TIME(%Y)% %REQ(:METHOD)% %RESP(x):10% 100%%\n", ""),
        ("%DYNAMIC_METADATA(a:b)% %FILTER_STATE(x)% %GRPC_STATUS%", ""),
        ("%NOBODY%", "%NOBODY%"),
        ("%REQ%", "%REQ%"),
        ("%PROTOCOL(x)%", "%PROTOCOL(x)%"),
        ("50% off", "%"),
    ],
)
def test_log_formats(text: str, expected: str) -> None:
    assert format_fault(text) == expected


def log_mesh(spec: str) -> Compiled:
    return Mesh(f"kind: MeshConfig\nspec: {{accessLogFile: /dev/stdout, {spec}}}\n---{SERVICE}").compile(PROXY)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("accessLogFormat: '%PROTOCOL%'", False),
        ("accessLogFormat: '%NOBODY%'", True),
        ("accessLogEncoding: JSON", False),
        ("""accessLogEncoding: JSON, accessLogFormat: '{"p": "%PROTOCOL%"}'""", False),
        ("accessLogEncoding: JSON, accessLogFormat: 'p'", True),
        ("accessLogEncoding: JSON, accessLogFormat: '[1]'", True),
        ("""accessLogEncoding: JSON, accessLogFormat: '{"p": "%NOBODY%"}'""", True),
    ],
)
def test_a_log_format_that_envoy_would_refuse_costs_no_listener(
    spec: str, told: bool, validate: Callable[[Compiled], None]
) -> None:
    compiled = log_mesh(spec)
    expected = [("istio-system/istio", "refused-by-envoy", "accessLogFormat")] if told else []
    assert compiled.problems() == expected
    validate(compiled)


def messages() -> list[tuple[str, Message, str]]:
    """Messages with one fault each, and where it is."""
    from envoy.config.cluster.v3.cluster_pb2 import Cluster
    from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
    from envoy.config.listener.v3.listener_components_pb2 import Filter
    from envoy.config.route.v3.route_components_pb2 import Route, RouteMatch, VirtualHost
    from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
    from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
    from google.protobuf.any_pb2 import Any

    from flotilla_pilot.compile.packing import typed

    good = Route(match=RouteMatch(prefix="/"))
    good.route.cluster = "c"
    empty_header = HeaderValueOption(header=HeaderValue(key="", value="x"))
    loop = Cluster(name="c")
    loop.connect_timeout.seconds = 0
    return [
        ("nothing wrong", good, ""),
        ("a oneof that must be stated", Route(match=RouteMatch(prefix="/")), "action"),
        ("a message that must be stated", Route(), "match"),
        ("too few", VirtualHost(name="v"), "domains"),
        ("an empty string", VirtualHost(domains=["*"]), "name"),
        (
            "inside a list",
            VirtualHost(name="v", domains=["*"], request_headers_to_add=[empty_header]),
            "request_headers_to_add[0].header.key",
        ),
        ("a duration that must be positive", loop, "connect_timeout"),
        (
            "inside a packed message",
            Filter(name="f", typed_config=typed(Filter, "f", TcpProxy()).typed_config),
            "typed_config.stat_prefix",
        ),
        ("of an unknown type", Filter(name="f", typed_config=Any(type_url="t/nobody.Knows", value=b"\xff")), ""),
        (
            "packed garbage",
            Filter(name="f", typed_config=Any(type_url="t/envoy.config.core.v3.Node", value=b"\xff")),
            "typed_config.value",
        ),
        ("an empty pattern", RouteMatch(safe_regex=RegexMatcher()), "safe_regex.regex"),
    ]


@pytest.mark.parametrize(
    ("case", "message", "path"), messages(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_the_guard_finds_what_envoys_definitions_forbid(case: str, message: Message, path: str) -> None:
    found = fault(message)
    if path:
        assert found is not None, case
        assert path in found[0] or found[0].endswith(path), found
    else:
        assert found is None, found
