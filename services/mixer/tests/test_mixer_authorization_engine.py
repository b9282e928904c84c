"""Verdicts of policies, with what they rest on. `tests/authorization` compares them with a real Envoy's."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.engine import KNOWN_WORKLOADS, PolicyEngine
from flotilla_mixer.authorization.policies import policy_engine
from flotilla_mixer.authorization.texts import Networks, pattern_test, template_pattern, text_test
from flotilla_mixer.testing.policies import engine_of, policy
from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import AuthorizationPolicy
from flotilla_shared.model.kinds import AUTHORIZATION_POLICIES
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

WEB = "spiffe://cluster.local/ns/default/sa/web"
GET: dict[str, Any] = {"method": "GET", "host": "ratings", "path": "/ratings/7?x=1", "principal": WEB}


def call(labels: dict[str, str] | None = None, namespace: str = "default", **what: Any) -> AskedCall:
    return AskedCall(namespace, labels or {}, **(what or GET))


def said(*policies: str, **what: Any) -> tuple[bool, str]:
    verdict = engine_of(*policies)[0].decide(call(**what))
    return verdict.allowed, verdict.text


ALLOW_GET = policy(
    {"rules": [{"to": [{"operation": {"methods": ["PUT"]}}]}, {"to": [{"operation": {"methods": ["GET"]}}]}]}
)
DENY_WEB = policy({"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["default"]}}]}]}, "no-web")


class TestPrecedence:
    def test_no_policy_allows(self) -> None:
        assert said() == (True, "allowed: no AuthorizationPolicy is for this workload")

    def test_the_rule_that_allows_is_named(self) -> None:
        assert said(ALLOW_GET) == (True, "allowed by AuthorizationPolicy default/p rule 1")

    def test_what_nobody_allows_is_denied_with_whom_could_have(self) -> None:
        text = "denied: no rule of AuthorizationPolicy default/p, default/q allows it"
        others = policy({}, "q")
        assert said(ALLOW_GET, others, method="POST", host="", path="/") == (False, text)

    def test_many_that_could_have_are_not_all_listed(self) -> None:
        texts = [policy({}, f"p{number}") for number in range(5)]
        assert (
            said(*texts)[1]
            == "denied: no rule of AuthorizationPolicy default/p0, default/p1, default/p2 and others allows it"
        )

    def test_deny_comes_before_allow(self) -> None:
        assert said(ALLOW_GET, DENY_WEB) == (False, "denied by AuthorizationPolicy default/no-web rule 0")

    def test_where_nobody_allows_by_name_what_nobody_denies_is_allowed(self) -> None:
        other = {**GET, "principal": WEB.replace("ns/default", "ns/other")}
        assert said(DENY_WEB, **other)[0]

    def test_custom_fails_closed_before_everything_and_says_so(self) -> None:
        custom = policy({"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]}, "ask")
        engine, problems = engine_of(custom, ALLOW_GET)
        verdict = engine.decide(call())
        assert not verdict.allowed
        assert "AuthorizationPolicy default/ask rule 0 leaves it to the provider 'opa'" in verdict.text
        ((problem,),) = problems.values()
        assert (problem.code, problem.field, problem.severity) == ("not-offered", "spec.action", "warning")

    def test_audit_decides_nothing_and_is_told(self) -> None:
        audit = policy({"action": "AUDIT", "rules": [{"to": [{"operation": {"ports": ["1"]}}]}, {}]}, "log")
        for more in ((), (DENY_WEB,)):
            verdict = engine_of(audit, *more)[0].decide(call())
            assert verdict.allowed is not bool(more)
            assert [str(each) for each in verdict.audits] == ["AuthorizationPolicy default/log rule 1"]

    def test_a_dry_run_decides_nothing_and_is_told_where_it_would(self) -> None:
        tried = DENY_WEB.replace(
            "namespace: default}", "namespace: default, annotations: {istio.io/dry-run: 'true'}}", 1
        )
        verdict = engine_of(tried)[0].decide(call())
        assert verdict.allowed
        assert verdict.dry_run is not None
        assert verdict.dry_run.text == "denied by AuthorizationPolicy default/no-web rule 0"
        other = {**GET, "principal": WEB.replace("ns/default", "ns/other")}
        assert engine_of(tried)[0].decide(call(**other)).dry_run is None


class TestWhoseTheyAre:
    SELECTING = policy({"selector": {"matchLabels": {"app": "ratings"}}})

    def test_of_the_namespace_the_root_namespace_and_of_nobody_else(self) -> None:
        root = policy({}, "root", "istio-system")
        own = policy({}, "own")
        engine, _ = engine_of(root, own)
        assert [each.key.name for each in engine.of("default", {}).policies] == ["root", "own"]
        assert [each.key.name for each in engine.of("other", {}).policies] == ["root"]

    def test_by_labels(self) -> None:
        engine, _ = engine_of(self.SELECTING)
        assert not engine.decide(call({"app": "ratings", "version": "v1"})).allowed
        assert engine.decide(call({"app": "reviews"})).allowed

    def test_labels_are_asked_for_where_somebody_selects(self) -> None:
        engine, _ = engine_of(self.SELECTING, policy({}, "q", "other"))
        assert "destination.labels" in engine.asked(call())
        assert engine.asked(call(namespace="other")) == frozenset()
        root, _ = engine_of(policy({"selector": {"matchLabels": {"a": "b"}}}, "p", "istio-system"))
        assert "destination.labels" in root.asked(call(namespace="other"))

    def test_workloads_share_what_is_the_same_for_them(self) -> None:
        engine, _ = engine_of(self.SELECTING)
        first, second = ({"app": "ratings", "pod": str(number)} for number in range(2))
        assert engine.of("default", first) is engine.of("default", second)
        assert engine.of("default", first) is not engine.of("default", {})

    def test_what_is_remembered_is_bounded(self) -> None:
        engine = PolicyEngine()
        for number in range(KNOWN_WORKLOADS + 10):
            engine.of("default", {"pod": str(number)})
        assert len(engine._known) <= KNOWN_WORKLOADS

    def test_other_objects_proxies_are_nobody_here_and_the_policy_is_told(self) -> None:
        _, problems = engine_of(policy({"targetRefs": [{"kind": "Service", "name": "s"}]}))
        ((problem,),) = problems.values()
        assert (problem.code, problem.field) == ("not-offered", "spec.targetRefs")


class TestUnreadable:
    """What Galley lets pass is readable; whatever else comes fails closed."""

    BAD = ({"from": [{"source": {"ipBlocks": ["a.b.c.d"]}}]}, {"when": [{"key": "no.such", "values": ["x"]}]})

    @pytest.mark.parametrize("rule", BAD)
    @pytest.mark.parametrize(("action", "allowed"), [("ALLOW", False), ("DENY", False), ("AUDIT", True)])
    def test_it_fails_closed(self, rule: dict[str, Any], action: str, allowed: bool) -> None:
        engine, problems = engine_of(policy({"action": action, "rules": [{}, rule]}))
        assert engine.decide(call()).allowed is allowed
        ((problem,),) = problems.values()
        assert (problem.code, problem.severity) == ("policy-unreadable", "error")

    def test_others_are_not_harmed(self) -> None:
        engine, _ = engine_of(policy({"action": "DENY", "rules": [self.BAD[0]]}, namespace="other"), ALLOW_GET)
        assert engine.decide(call()).allowed


@pytest.mark.parametrize(
    ("values", "yes", "no"),
    [
        (["a"], ["a"], ["", "ab", "A"]),
        (["a*"], ["a", "ab"], ["", "ba"]),
        (["*a"], ["a", "ba"], ["", "ab"]),
        (["*"], ["a"], [""]),
        (["*a*"], ["a*", "xa*"], ["xay"]),
        (["a", "b*", "*c"], ["a", "b", "bx", "c", "xc"], ["ax", "cx"]),
        ([""], [""], ["a"]),
    ],
)
def test_texts(values: list[str], yes: list[str], no: list[str]) -> None:
    for fold in (False, True):
        test = text_test(values, fold=fold)
        assert all(map(test, yes))
        assert not any(test(each) for each in no if not (fold and each == "A"))
    assert all(
        text_test([each.upper() for each in values], fold=True)(text) for each in values for text in yes if text == each
    )


@pytest.mark.parametrize(
    ("template", "yes", "no"),
    [
        ("/a/{*}", ["/a/b", "/a/b.c~d"], ["/a/", "/a/b/c", "/a"]),
        ("/{**}/z", ["//z", "/a/z", "/a/b/z"], ["/z", "/a/z/b"]),
        ("/{*}/b/{**}", ["/a/b/", "/a/b/c/d"], ["/a/b", "/a/c/b/"]),
        ("/a.b/{*}", ["/a.b/c"], ["/axb/c", '/a.b/"']),
    ],
)
def test_path_templates(template: str, yes: list[str], no: list[str]) -> None:
    test = pattern_test([template_pattern(template)])
    assert all(map(test, yes))
    assert not any(map(test, no))


def test_networks() -> None:
    some = Networks(["10.0.0.0/8", "192.168.1.7", "2001:db8::/32", "1.2.3.4/16"])
    for address in ("0a010203", "c0a80107", "20010db8" + "00" * 12, "00" * 10 + "ffff" + "0a010203", "01020000"):
        assert some.has(bytes.fromhex(address)), address
    for address in ("", "0b010203", "c0a80108", "20010db9" + "00" * 12, "01030000"):
        assert not some.has(bytes.fromhex(address)), address
    with pytest.raises(ValueError, match="a network of nothing"):
        Networks(["a network of nothing"])


TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["*", "a*", "*a", "{*}", "/{**}/x", "10.0.0.0/8", "80", "spiffe://a", "a/b", "[x]", "(", "\\", "\n", "\0"]
)
LISTS = st.lists(TEXT, max_size=3)
KEYS = TEXT | st.sampled_from(
    [
        "source.ip",
        "request.headers[a]",
        "request.auth.claims[a][b]",
        "experimental.envoy.filters.a[b]",
        "connection.sni",
    ]
)


def message(fields: str) -> st.SearchStrategy[dict[str, list[str]]]:
    return st.dictionaries(st.sampled_from(fields.split()), LISTS, max_size=3)


SOURCES = message(
    "principals notPrincipals namespaces notNamespaces serviceAccounts trustDomains ipBlocks notRemoteIpBlocks"
)
OPERATIONS = message("hosts notHosts ports notPorts methods paths notPaths")
RULES = st.fixed_dictionaries(
    {
        "from": st.lists(st.fixed_dictionaries({"source": SOURCES}), max_size=2),
        "to": st.lists(st.fixed_dictionaries({"operation": OPERATIONS}), max_size=2),
        "when": st.lists(st.fixed_dictionaries({"key": KEYS, "values": LISTS, "notValues": LISTS}), max_size=2),
    }
)
SPECS = st.fixed_dictionaries(
    {"action": st.sampled_from(["ALLOW", "DENY", "AUDIT", "CUSTOM"]), "rules": st.lists(RULES, max_size=2)}
)
CALLS = st.fixed_dictionaries(
    {
        "principal": TEXT,
        "source_ip": st.binary(max_size=17),
        "sni": TEXT,
        "host": st.none() | TEXT,
        "method": st.none() | TEXT,
        "path": st.none() | TEXT,
        "headers": st.dictionaries(TEXT, TEXT, max_size=2),
        "claims": st.dictionaries(TEXT, TEXT | LISTS | st.integers() | st.none(), max_size=2),
        "destination_port": st.integers(),
    }
)


@given(SPECS, CALLS)
def test_whatever_a_policy_says_of_whatever_call_there_is_a_verdict(spec: dict[str, Any], what: dict[str, Any]) -> None:
    """What is not readable is told, and closed; nothing is raised."""
    item = ConfigObject(
        ObjectKey(AUTHORIZATION_POLICIES, "default", "p"), "1", json_format.ParseDict(spec, AuthorizationPolicy())
    )
    problems = ProblemLog()
    engine = policy_engine([item], None, "cluster.local", problems)
    verdict = engine.decide(AskedCall("default", **what))
    unreadable = any(each.code == "policy-unreadable" for found in problems.found().values() for each in found)
    if unreadable:
        assert verdict.allowed is (spec["action"] == "AUDIT")
    if not spec["rules"]:
        assert verdict.allowed is (spec["action"] != "ALLOW")
