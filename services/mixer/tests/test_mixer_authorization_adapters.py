"""The adapters that ask the mesh's own policies: what their instances say of a call, what they answer, and a Mixer
that is asked by sidecars while policies change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import structlog

from flotilla_mixer.adapters.authorizationpolicy.adapter import AuthorizationPolicies
from flotilla_mixer.adapters.rbac.adapter import Rbac
from flotilla_mixer.authorization.engine import NOBODY_DENIES
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.asked import PROPERTIES, CallReader
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.status.states import object_states
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.meshes import configured, problems
from flotilla_mixer.testing.policies import engine_of, judged_by, policy, roles_of
from flotilla_mixer.testing.running import Running
from flotilla_protos.flotilla.mixer.adapter.authorizationpolicy.config_pb2 import Params

SUBJECT, ACTION = "subject.properties", "action.properties"
PRINCIPAL = "cluster.local/ns/default/sa/reviews"
FULL: Mapping[str, Any] = {
    "context.protocol": "http",
    "destination.labels": {"app": "ratings"},
    "destination.port": 9080,
    "request.headers": {"x": "y"},
    "request.host": "ratings",
}


def asked(subject: Mapping[str, Any], action: Mapping[str, Any], **fields: str) -> tuple[InstanceSpec, tuple[Any, ...]]:
    """An instance with these properties, and its row."""
    spec = InstanceSpec("call.instance.test", AUTHORIZATION, {}, {SUBJECT: tuple(subject), ACTION: tuple(action)})
    names = ("user", "groups", "namespace", "service", "method", "path")
    given = {"user": PRINCIPAL, "namespace": "default", "method": "GET", "path": "/x", **fields}
    return spec, (*(given.get(name, "") for name in names), tuple(subject.values()), tuple(action.values()))


class Asking:
    """A handler of one of the two adapters, and what it answers."""

    def __init__(self, adapter: Any, background: Background, params: Any = None) -> None:
        self.background = background
        self.handler = adapter.build(params or adapter.defaults(), [], background)

    def ask(
        self, subject: Mapping[str, Any] | None = None, action: Mapping[str, Any] = FULL, **fields: str
    ) -> CheckResult:
        spec, row = asked(subject or {"source.ip": b"\x7f\0\0\1"}, action, **fields)
        answers: list[Any] = []
        self.handler.check([CheckCall(spec, row, answers.append)])
        (answer,) = answers
        assert isinstance(answer, CheckResult)
        return answer


def policies(*texts: str) -> Background:
    return Background(policies=engine_of(*texts)[0])


class TestInstances:
    def test_the_one_of_the_manual_gives_what_a_check_has(self) -> None:
        configuration = configured(judged_by("authorizationpolicy"))
        assert problems(configuration) == []
        (spec,) = configuration.instances
        reader = CallReader(spec)
        needed = {"source.principal", "source.ip", "remote.ip", "request.host", "request.headers", "destination.port"}
        assert needed | {"destination.labels", "connection.sni", "destination.ip"} <= reader.provided

    def test_every_property_is_in_the_manual(self) -> None:
        manual = "".join((each.folder / "README.md").read_text() for each in (AuthorizationPolicies, Rbac))
        assert [name for name in PROPERTIES if f"`{name}`" not in manual] == []

    def test_fields_and_properties_make_the_call(self) -> None:
        subject = {"source.ip": b"\x0a\0\0\1", "remote.ip": "10.1.1.1, 10.2.2.2"}
        spec, row = asked(subject, {**FULL, "connection.sni": "s"}, service="r.svc")
        call = CallReader(spec).read(row)
        assert call.principal == f"spiffe://{PRINCIPAL}"
        assert (call.source_ip, call.remote_ip) == (b"\x0a\0\0\1", b"\x0a\2\2\2")
        assert (call.host, call.method, call.path, call.sni) == ("ratings", "GET", "/x", "s")
        assert (call.service, call.destination_port, call.labels) == ("r.svc", 9080, {"app": "ratings"})
        assert call.header("x") == "y"
        assert call.header(":method") == "GET"

    @pytest.mark.parametrize("forwarded", ["", "nonsense", "10.0.0.1, "])
    def test_without_an_address_that_was_forwarded_it_is_the_connections(self, forwarded: str) -> None:
        spec, row = asked({"source.ip": b"\x0a\0\0\1", "remote.ip": forwarded}, FULL)
        assert CallReader(spec).read(row).remote_ip == b"\x0a\0\0\1"

    def test_tcp_has_nothing_of_http(self) -> None:
        spec, row = asked({}, {**FULL, "context.protocol": "tcp"})
        call = CallReader(spec).read(row)
        assert not call.is_http
        assert (call.host, call.method, call.path, call.claims) == (None, None, None, {})

    def test_claims_one_by_one_or_whole(self) -> None:
        one_by_one = {
            "request.auth.principal": "https://i/s",
            "request.auth.audiences": "a,b",
            "request.auth.presenter": "p",
            "request.auth.claims": {"scope": "r w", "x": "y"},
        }
        whole = {
            "request.auth.raw_claims": '{"iss":"https://i","sub":"s","aud":["a","b"],"azp":"p","scope":"r w","x":"y"}'
        }
        found = []
        for given in (one_by_one, whole):
            spec, row = asked(given, FULL)
            found.append(CallReader(spec).read(row).claims)
            assert {"request.auth.principal", "request.auth.claims"} <= CallReader(spec).provided
        wanted = {"iss": "https://i", "sub": "s", "aud": ["a", "b"], "azp": "p", "scope": ["r", "w"], "x": "y"}
        assert found == [wanted, wanted]

    @pytest.mark.parametrize("raw", ["{", "[]", "7", ""])
    def test_claims_that_are_none_are_no_claims(self, raw: str) -> None:
        spec, row = asked({"request.auth.raw_claims": raw}, FULL)
        assert CallReader(spec).read(row).claims == {}


class TestAuthorizationPolicies:
    DENY = policy({"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/x"]}}]}]})

    async def test_it_denies_with_policy_and_rule_and_counts(self) -> None:
        asking = Asking(AuthorizationPolicies(), policies(self.DENY))
        assert asking.ask(path="/y") == CheckResult(0, NOBODY_DENIES.text, 5.0, 1000)
        denied = asking.ask(path="/x?y=z")
        assert denied == CheckResult(7, "denied by AuthorizationPolicy default/p rule 0", 5.0, 1000)
        await asking.background.stop()

    async def test_permissive_lets_everything_pass(self) -> None:
        params = Params(permissive=True)
        asking = Asking(AuthorizationPolicies(), policies(self.DENY), params)
        passed = asking.ask(path="/x")
        text = "passes, since the handler is permissive; denied by AuthorizationPolicy default/p rule 0"
        assert (passed.ok, passed.message) == (True, text)
        decided = asking.background.metrics.registry.get_sample_value(
            "mixer_handler_decisions_total",
            {"handler": "handler.handler.test", "outcome": "denied", "rule": "AuthorizationPolicy default/p rule 0"},
        )
        assert decided == 1
        await asking.background.stop()

    @pytest.mark.parametrize(
        ("rule", "attribute"),
        [
            ({"from": [{"source": {"notIpBlocks": ["10.0.0.1"]}}]}, "source.ip"),
            ({"from": [{"source": {"requestPrincipals": ["*"]}}]}, "request.auth.principal"),
            (
                {"when": [{"key": "experimental.envoy.filters.a[b]", "values": ["c"]}]},
                "experimental.envoy.filters.a[b]",
            ),
        ],
    )
    async def test_an_instance_that_leaves_something_out_makes_no_policy_weaker(
        self, rule: dict[str, Any], attribute: str
    ) -> None:
        """As much under DENY, where the rule would just not hold."""
        for action in ("ALLOW", "DENY"):
            asking = Asking(AuthorizationPolicies(), policies(policy({"action": action, "rules": [rule]})))
            result = asking.ask({"remote.ip": ""})
            assert (result.code, attribute in result.message) == (7, True), result
            await asking.background.stop()

    async def test_where_a_policy_selects_labels_must_be_known(self) -> None:
        selecting = policy({"selector": {"matchLabels": {"app": "reviews"}}})
        asking = Asking(AuthorizationPolicies(), policies(selecting))
        without = {name: value for name, value in FULL.items() if name != "destination.labels"}
        assert "destination.labels" in asking.ask(action=without).message
        await asking.background.stop()
        asking = Asking(AuthorizationPolicies(), policies(selecting))
        assert asking.ask().ok
        await asking.background.stop()

    async def test_a_namespace_that_is_not_known_is_denied(self) -> None:
        asking = Asking(AuthorizationPolicies(), policies())
        assert asking.ask(namespace="").code == 7
        await asking.background.stop()

    async def test_an_audit_is_logged_without_the_query(self) -> None:
        audit = policy({"action": "AUDIT", "rules": [{}]})
        asking = Asking(AuthorizationPolicies(), policies(audit))
        with structlog.testing.capture_logs() as lines:
            asking.ask(path="/x?token=secret")
        (line,) = [each for each in lines if each["event"] == "a call is audited"]
        assert (line["policy"], line["rule"], line["path"], line["allowed"]) == ("default/p", 0, "/x", True)
        assert "secret" not in str(line)
        await asking.background.stop()

    def test_parameters(self) -> None:
        faults = AuthorizationPolicies().validate(Params(valid_use_count=-1, valid_duration={"seconds": -1}), [])
        assert [each.field for each in faults] == ["spec.params.validDuration", "spec.params.validUseCount"]


ROLES = """\
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: {name: reader, namespace: default}
spec: {rules: [{services: [ratings.default.svc.cluster.local], methods: [GET], paths: ["/x*"]}]}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: {name: readers, namespace: default}
spec:
  subjects: [{user: cluster.local/ns/default/sa/reviews}]
  roleRef: {kind: ServiceRole, name: reader}
"""
RATINGS = "ratings.default.svc.cluster.local"


def mode(spec: str, kind: str = "ClusterRbacConfig") -> str:
    return (
        f"apiVersion: rbac.istio.io/v1alpha1\nkind: {kind}\nmetadata: {{name: default, namespace: ''}}\nspec: {spec}\n"
    )


class TestRoles:
    async def asked(self, *texts: str, **fields: str) -> CheckResult:
        asking = Asking(Rbac(), Background(roles=roles_of(*texts)[0]))
        try:
            return asking.ask(service=RATINGS, **fields)
        finally:
            await asking.background.stop()

    async def test_what_a_binding_allows(self) -> None:
        text = "allowed by ServiceRoleBinding default/readers rule 0"
        assert await self.asked(ROLES) == CheckResult(0, text, 60.0, 1_000_000_000)

    @pytest.mark.parametrize("other", [{"method": "POST"}, {"path": "/y"}, {"user": PRINCIPAL + "2"}, {"user": ""}])
    async def test_what_none_allows(self, other: dict[str, str]) -> None:
        result = await self.asked(ROLES, **other)
        assert (result.code, result.message) == (7, "denied: no rule of ServiceRoleBinding default/readers allows it")

    async def test_another_namespace_has_no_role(self) -> None:
        result = await self.asked(ROLES, namespace="other")
        assert "no ServiceRoleBinding" in result.message

    @pytest.mark.parametrize(
        ("spec", "denied"),
        [
            ("{mode: OFF}", False),
            ("{mode: ON}", True),
            (f"{{mode: ON_WITH_INCLUSION, inclusion: {{services: [{RATINGS}]}}}}", True),
            ("{mode: ON_WITH_INCLUSION, inclusion: {namespaces: [other]}}", False),
            ("{mode: ON_WITH_EXCLUSION, exclusion: {namespaces: [default]}}", False),
            ("{mode: ON_WITH_EXCLUSION, exclusion: {namespaces: [other]}}", True),
            ("{mode: ON, enforcement_mode: PERMISSIVE}", False),
        ],
    )
    async def test_where_roles_count(self, spec: str, denied: bool) -> None:
        assert (await self.asked(ROLES, mode(spec), method="POST")).ok is not denied

    async def test_the_clusters_configuration_counts_before_an_older_one(self) -> None:
        assert (await self.asked(mode("{mode: OFF}"), mode("{mode: ON}", "RbacConfig"))).ok
        assert not (await self.asked(mode("{mode: ON}", "RbacConfig"))).ok

    async def test_a_binding_that_is_only_tried_allows_nothing(self) -> None:
        asking = Asking(
            Rbac(), Background(roles=roles_of(ROLES.replace("  roleRef", "  mode: PERMISSIVE\n  roleRef"))[0])
        )
        assert not asking.ask(service=RATINGS).ok
        registry = asking.background.metrics.registry
        labels = {"outcome": "dry run: allowed", "rule": "ServiceRoleBinding default/readers rule 0"}
        assert (
            registry.get_sample_value("mixer_handler_decisions_total", {"handler": "handler.handler.test", **labels})
            == 1
        )
        await asking.background.stop()

    async def test_a_role_that_is_not_there_and_a_constraint_that_is_none(self) -> None:
        _, found = roles_of(ROLES.replace("name: reader}", "name: writer}", 1))
        assert [(key.name, each.code) for key, several in found.items() for each in several] == [("readers", "no-role")]
        broken = ROLES.replace("methods:", "constraints: [{key: no.such, values: [x]}], methods:")
        _, found = roles_of(broken)
        assert [each.code for several in found.values() for each in several] == ["policy-unreadable"]

    def test_where_12_had_its_roles_is_not_asked(self) -> None:
        params = Rbac().defaults()
        for url, faults in (("", 0), ("k8s://", 0), ("fs:///etc/roles", 1)):
            params.config_store_url = url  # type: ignore[attr-defined]
            assert len(list(Rbac().validate(params, []))) == faults


CHECK: Mapping[str, Any] = {
    "source": {"address": {"socket_address": {"address": "127.0.2.4", "port_value": 4000}}},
    "destination": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9080}}},
    "request": {"http": {"method": "GET", "path": "/ratings/1", "host": "ratings", "headers": {"a": "b"}}},
}
ONLY_REVIEWS = policy(
    {
        "selector": {"matchLabels": {"app": "ratings"}},
        "rules": [
            {
                "from": [{"source": {"principals": [PRINCIPAL], "ipBlocks": ["127.0.2.0/24"]}}],
                "to": [{"operation": {"methods": ["GET"], "paths": ["/ratings/*"], "ports": ["9080"]}}],
                "when": [{"key": "request.headers[a]", "values": ["b"]}],
            }
        ],
    },
    "ratings",
)


def check_of(principal: str = PRINCIPAL, method: str = "GET") -> dict[str, Any]:
    source = {**CHECK["source"], "principal": f"spiffe://{principal}"}
    return {**CHECK, "source": source, "request": {"http": {**CHECK["request"]["http"], "method": method}}}


class TestAMixer:
    async def test_sidecars_get_the_verdict_of_the_policies(self, running: Running) -> None:
        await running.put(judged_by("authorizationpolicy"), ONLY_REVIEWS)
        assert (await running.check(**check_of())).status.code == 0
        for other in (check_of(method="POST"), check_of("cluster.local/ns/default/sa/x"), check_of("")):
            answer = await running.check(**other)
            text = "denied: no rule of AuthorizationPolicy default/ratings allows it"
            assert (answer.status.code, answer.status.message) == (7, f"judge.istio-system:{text}")
            assert answer.denied_response.status.code == 403

    async def test_what_is_wrong_with_a_policy_is_told_where_an_adapter_asks_for_it(self, running: Running) -> None:
        custom = policy({"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]}, "ask")
        for texts, told in (((custom,), []), ((custom, judged_by("authorizationpolicy")), ["not-offered"])):
            await running.put(*texts)
            codes = [each.code for found in running.mixer.swap.problems.values() for each in found]
            assert codes == told
            table = running.mixer.swap.table
            assert table is not None
            states = object_states(table.configuration, running.mixer.swap.problems)
            judged = [state.accepted for key, state in states.items() if key.name == "ask"]
            assert judged == ([True] if told else [])

    async def test_policies_change_and_no_call_fails(self, running: Running) -> None:
        """Every answer is of one configuration: the last that was in force before it was asked, or a later one."""
        judge = judged_by("authorizationpolicy")
        await running.put(judge, ONLY_REVIEWS)
        done, codes = asyncio.Event(), set[int]()

        async def ask() -> int:
            asked = 0
            while not done.is_set():
                codes.add((await running.check(**check_of())).status.code)
                asked += 1
            return asked

        callers = [asyncio.create_task(ask()) for _ in range(4)]
        for number in range(1, 31):
            more = policy({"action": "DENY", "rules": [{}]}, "closed") if number % 2 else ""
            await running.put(judge, ONLY_REVIEWS, more)
            code = (await running.check(**check_of())).status.code
            assert code == (7 if number % 2 else 0), number
        done.set()
        assert sum(await asyncio.gather(*callers)) > 30
        assert codes == {0, 7}
