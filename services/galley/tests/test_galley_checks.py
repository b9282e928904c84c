"""The primitives that all kinds share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.gateway_names import gateway_name
from flotilla_galley.validation.sidecar import default_endpoint

Check = Callable[..., str]
LONG = "a" * 64

TABLE: list[tuple[Check, list[object], list[object]]] = [
    (checks.port, [1, 80, 65535], [0, -1, 65536]),
    (checks.dns_label, ["a", "a-b", "A1", "1", "a" * 63], ["", "-a", "a-", "a.b", "a_b", LONG, "ä"]),
    (
        checks.fqdn,
        ["a", "a.b", "istio.io.", "x1.y2"],
        ["", "a..b", "*.a", "a.1", "-a.b", LONG, ".".join(["a" * 60] * 5)],
    ),
    (checks.wildcard_domain, ["*", "*.a", "*foo.a", "*-foo.a", "a.b"], ["a.*", "**.a", "*.*.a", "*_a", "a*b.c"]),
    (checks.ip, ["1.2.3.4", "::1", "2001:db8::1"], ["", "1.2.3", "1.2.3.4/32", "x", "1.2.3.256"]),
    (checks.cidr, ["1.2.3.4", "10.0.0.0/8", "10.1.2.3/8", "::1", "2001::/16"], ["", "10.0.0.0/33", "a/8", "1.2.3.4/x"]),
    (checks.unix, ["/a", "/run/x.sock", "@abstract"], ["", "a", "/a/", "@", "./a"]),
    (checks.percent, [0, 0.0001, 50, 100], [-1, 0.00001, 100.1]),
    (checks.protocol, ["", "http", "HTTP", "grpc-web", "Mongo", "tls"], ["quic", "http3", "ht tp"]),
    (checks.header_name, ["x", "x-y", "X_1", "!#$"], ["", "a b", "a:b", ":method", "ä"]),
    (
        checks.regex,
        ["a.*", "(a|b)", "[0-9]+", "(?i)x", "(?P<n>a)"],
        ["", "(", "a" * 1025, "(?=a)", r"(a)\1", "(?<!a)b"],
    ),
    (gateway_name, ["gw", "ns/gw", "mesh", "a.b.c"], ["", "ns/", "/gw", "a/b/c", "n_s/gw"]),
    (
        default_endpoint,
        ["", "127.0.0.1:80", "0.0.0.0:9080", "[::1]:1", "[::]:2", "unix:///a"],
        ["127.0.1.2:80", "localhost:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", "unix://a", "0.0.0.0:70000"],
    ),
]
CASES = [
    pytest.param(check, value, right, id=f"{check.__name__}-{value!r:.30}")
    for check, good, bad in TABLE
    for right, values in ((True, good), (False, bad))
    for value in values
]


@pytest.mark.parametrize(("check", "value", "right"), CASES)
def test_primitives(check: Check, value: object, right: bool) -> None:
    assert (check(value) == "") is right, check(value)


def test_pseudo_headers_where_they_are_possible() -> None:
    assert checks.header_name(":authority", pseudo=True) == ""
    assert checks.header_name("@request.auth.claims.sub", pseudo=True) == ""
    assert checks.header_name(":nothing", pseudo=True) != ""


@pytest.mark.parametrize(
    ("nanos", "right"),
    [(1_000_000, True), (5 * 10**9, True), (999_999, False), (0, False), (1_500_000, False), (-1, False)],
)
def test_durations(nanos: int, right: bool) -> None:
    duration = Duration()
    duration.FromNanoseconds(nanos)
    assert (checks.duration(duration) == "") is right


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("app", "x", True),
        ("app", "", True),
        ("example.com/app", "x.y_z-1", True),
        ("", "x", False),
        ("-app", "x", False),
        ("app", "-x", False),
        ("app", "a b", False),
        ("app", LONG, False),
        ("a/b/c", "x", False),
        ("UPPER/app", "x", True),
        ("x" * 254 + "/app", "x", False),
    ],
)
def test_labels(key: str, value: str, right: bool) -> None:
    assert (checks.label(key, value) == "") is right


@pytest.mark.parametrize(
    ("text", "slash", "right"),
    [
        ("*/*", True, True),
        ("./*", True, True),
        ("~/*", True, True),
        ("ns/a.b.c", True, True),
        ("a.b.c", True, False),
        ("ns/short", True, False),
        ("n_s/*", True, False),
        ("*", False, True),
        ("a.b", False, True),
        ("ns/a.b", False, True),
        ("*/a.b", False, True),
        ("127.0.0.1", False, True),
        ("short", False, False),
    ],
)
def test_hosts_with_namespaces(text: str, slash: bool, right: bool) -> None:
    assert (checks.namespaced_host(text, slash=slash) == "") is right


@pytest.mark.parametrize(
    ("names", "nobody", "fields"),
    [
        ([], False, []),
        (["*"], False, []),
        ([".", "b"], False, []),
        ([".", "own"], False, ["spec.exportTo[1]"]),
        (["*", "a"], False, ["spec.exportTo[0]"]),
        (["~"], False, ["spec.exportTo[0]"]),
        (["~"], True, []),
        (["a_b"], False, ["spec.exportTo[0]"]),
    ],
)
def test_export_to(names: list[str], nobody: bool, fields: list[str]) -> None:
    report = Report()
    checks.export_to(report, names, "own", nobody=nobody)
    assert [problem.field for problem in report.problems] == fields


def test_a_reports_path_reads_like_the_field() -> None:
    report = Report()
    report.at("http", 2).at("headers", "x-y").at("exact").wrong("no")
    report.at("", "key").warn("careful", "code")
    assert [(p.field, p.severity, p.code) for p in report.problems] == [
        ("spec.http[2].headers.x-y.exact", "error", "invalid"),
        ("spec.key", "warning", "code"),
    ]
