"""Whether two workloads may talk, asked without a call: of files, and of a Mixer that runs."""

from __future__ import annotations

from typing import Any

import pytest

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.debug.may_talk import may_talk_topic
from flotilla_mixer.offline.may_talk import BadQuestion, Question, may_talk
from flotilla_mixer.offline.mesh import mesh_of
from flotilla_mixer.testing.meshes import MESH, read_objects
from flotilla_mixer.testing.policies import policy
from flotilla_mixer.testing.running import Running

REVIEWS = "cluster.local/ns/default/sa/reviews"
ONLY_GET = policy(
    {
        "selector": {"matchLabels": {"app": "ratings"}},
        "rules": [
            {"to": [{"operation": {"ports": ["1"]}}]},
            {
                "from": [{"source": {"principals": [REVIEWS]}}],
                "to": [{"operation": {"methods": ["GET"], "paths": ["/ratings/*"], "hosts": ["ratings.*"]}}],
            },
        ],
    },
    "ratings",
)
V3_CLOSED = policy({"action": "DENY", "selector": {"matchLabels": {"version": "v3"}}, "rules": [{}]}, "closed")


def mesh(*texts: str) -> MeshView:
    return mesh_of(read_objects(MESH, *texts))


def asked(view: MeshView, source: str, destination: str, **what: Any) -> dict[str, Any]:
    return may_talk(view, Question(source, destination, **what))


class TestAnswers:
    def test_the_policy_and_the_rule_that_decide(self) -> None:
        answer = asked(mesh(ONLY_GET), "reviews-v2", "ratings:9080", path="/ratings/7")
        assert answer["allowed"]
        assert answer["source"] == {"principal": REVIEWS, "address": "127.0.2.4"}
        (found,) = answer["destinations"]
        assert found["workload"] == "ratings-v1.default"
        assert (found["text"], found["rule"]) == ("allowed by AuthorizationPolicy default/ratings rule 1", 1)
        assert found["policy"] == {"kind": "AuthorizationPolicy", "namespace": "default", "name": "ratings"}
        assert found["policies"] == ["default/ratings"]

    @pytest.mark.parametrize(
        "what",
        [{"path": "/"}, {"path": "/ratings/7", "method": "POST"}, {"path": "/ratings/7", "host": "x"}, {"tcp": True}],
    )
    def test_what_is_asked_is_all_that_is_there(self, what: dict[str, Any]) -> None:
        answer = asked(mesh(ONLY_GET), "reviews-v2", "ratings:9080", **what)
        assert not answer["allowed"]
        assert answer["destinations"][0]["policy"] is None

    def test_a_service_means_all_its_workloads(self) -> None:
        answer = asked(mesh(V3_CLOSED), "ratings-v1", "reviews")
        assert not answer["allowed"]
        assert {each["workload"]: each["allowed"] for each in answer["destinations"]} == {
            "reviews-v2.default": True,
            "reviews-v3.default": False,
        }
        assert asked(mesh(V3_CLOSED), "ratings-v1", "reviews-v2")["allowed"]

    @pytest.mark.parametrize("source", ["reviews", "reviews-v2.default", REVIEWS, f"spiffe://{REVIEWS}"])
    def test_a_caller_by_any_name(self, source: str) -> None:
        assert asked(mesh(ONLY_GET), source, "ratings", path="/ratings/7")["allowed"]

    def test_a_caller_without_a_certificate(self) -> None:
        assert not asked(mesh(ONLY_GET), "-", "ratings", path="/ratings/7")["allowed"]

    @pytest.mark.parametrize(
        "destination", ["ratings", "ratings.default", "ratings.default.svc.cluster.local", "RATINGS:1"]
    )
    def test_a_service_by_any_name(self, destination: str) -> None:
        (found,) = asked(mesh(), "reviews", destination)["destinations"]
        assert found["workload"] == "ratings-v1.default"

    def test_headers_tokens_server_names_and_addresses(self) -> None:
        rule = {
            "from": [{"source": {"requestPrincipals": ["i/s"], "remoteIpBlocks": ["10.0.0.0/8"]}}],
            "when": [{"key": "request.headers[X-A]", "values": ["b"]}, {"key": "connection.sni", "values": ["n"]}],
        }
        view = mesh(policy({"rules": [rule]}))
        all_of_it: dict[str, Any] = {
            "claims": {"iss": "i", "sub": "s"},
            "remote_ip": "10.1.1.1",
            "headers": {"X-a": "b"},
            "sni": "n",
        }
        assert asked(view, "reviews", "ratings", **all_of_it)["allowed"]
        for name in all_of_it:
            less = {key: value for key, value in all_of_it.items() if key != name}
            assert not asked(view, "reviews", "ratings", **less)["allowed"], name

    def test_audits_and_dry_runs_are_told(self) -> None:
        tried = V3_CLOSED.replace(
            "namespace: default}", "namespace: default, annotations: {istio.io/dry-run: 'true'}}", 1
        )
        answer = asked(mesh(tried, policy({"action": "AUDIT", "rules": [{}]}, "log")), "ratings-v1", "reviews-v3")
        (found,) = answer["destinations"]
        assert found["allowed"]
        assert [(each["policy"]["name"], each["rule"]) for each in found["audits"]] == [("log", 0)]
        assert (found["dryRun"]["allowed"], found["dryRun"]["policy"]["name"]) == (False, "closed")

    def test_roles(self) -> None:
        role = """\
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: {name: reader, namespace: default}
spec: {rules: [{services: [ratings.default.svc.cluster.local], methods: [GET]}]}
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: {name: readers, namespace: default}
spec: {subjects: [{user: "*"}], roleRef: {kind: ServiceRole, name: reader}}
"""
        (found,) = asked(mesh(role), "reviews", "ratings", roles=True)["destinations"]
        assert found["text"] == "allowed by ServiceRoleBinding default/readers rule 0"
        assert not asked(mesh(role), "reviews", "ratings", roles=True, method="PUT")["allowed"]


class TestQuestions:
    @pytest.mark.parametrize(
        ("source", "destination", "text"),
        [
            ("nobody", "ratings", "there is no workload 'nobody'"),
            ("reviews", "nothing", "there is no service and no workload 'nothing'"),
            ("reviews", "ratings:http", "'http' is no port"),
            ("reviews", "ratings:70000", "'70000' is no port"),
        ],
    )
    def test_what_is_not_there_is_told(self, source: str, destination: str, text: str) -> None:
        with pytest.raises(BadQuestion, match=text):
            asked(mesh(), source, destination)

    def test_a_name_that_means_several(self) -> None:
        other = MESH.split("---")[0].replace("namespace: default", "namespace: other")
        with pytest.raises(BadQuestion, match=r"ratings-v1\.default, ratings-v1\.other"):
            asked(mesh(other), "ratings-v1", "reviews")

    def test_an_address_that_is_none(self) -> None:
        with pytest.raises(BadQuestion, match="is no address"):
            asked(mesh(), "reviews", "ratings", remote_ip="here")


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "labels": {"app": "web"}},
    "spec": {"serviceAccountName": "web"},
    "status": {"phase": "Running", "podIP": "10.0.0.7"},
}
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}


def test_pods_and_services_of_kubernetes_are_known() -> None:
    view = mesh_of(read_objects(MESH), [POD, SERVICE, {"kind": "Node", "metadata": {"name": "n"}}])
    (found,) = asked(view, "web-1", "web.default.svc.cluster.local")["destinations"]
    assert found["workload"] == "web-1.default"


class TestLive:
    def test_before_there_is_a_configuration(self) -> None:
        assert "error" in may_talk_topic(lambda: None)({})

    @pytest.mark.parametrize("query", [{}, {"source": "reviews", "destination": "ratings", "claims": "{"}])
    def test_a_question_that_is_none(self, query: dict[str, str]) -> None:
        assert "error" in may_talk_topic(mesh)(query)

    async def test_a_mixer_answers_by_what_is_in_force(self, running: Running) -> None:
        swap = running.mixer.swap
        topic = may_talk_topic(lambda: swap.table.view if swap.table is not None else None)
        query = {"source": "reviews", "destination": "ratings:9080", "path": "/ratings/1", "header": "a: b"}
        for policies, allowed in (((ONLY_GET,), True), ((ONLY_GET, policy({"action": "DENY", "rules": [{}]})), False)):
            await running.put(*policies)
            assert topic(query)["allowed"] is allowed
