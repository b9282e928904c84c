"""AuthorizationPolicies judged by Mixer: the caller's certificate, the request and the policy decide, over HTTP and TCP."""

from __future__ import annotations

import pytest

from flotilla_cli.mesh import Mesh
from flotilla_cli.plan.plan import CONFIG
from flotilla_mixer.testing.policies import judged_by

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]
# Out of reviews v2, by its sidecar; and out of productpage.
WAYS_OUT = {"reviews": "127.0.3.4:15002", "productpage": "127.0.3.1:15002"}
RATINGS = "ratings.default.svc.cluster.local:9080"
POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ratings, namespace: default}
spec:
  selector: {matchLabels: {app: ratings}}
  rules:
  - from: [{source: {principals: ["cluster.local/ns/default/sa/bookinfo-reviews"]}}]
    to: [{operation: {methods: [GET], paths: ["/ratings/*"], ports: ["9080"]}}]
"""
STORE_CLOSED = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: store, namespace: default}
spec:
  selector: {matchLabels: {app: store}}
  action: DENY
  rules: [{from: [{source: {namespaces: [default]}}]}]
"""
TEXT = "PERMISSION_DENIED:judge.istio-system:denied: no rule of AuthorizationPolicy default/ratings allows it"


def ask(mesh: Mesh, caller: str, path: str = "/ratings/0", method: str = "GET") -> tuple[int, str]:
    answer = mesh.http.request(method, f"http://{WAYS_OUT[caller]}{path}", headers={"host": RATINGS})
    return answer.status_code, answer.text if answer.status_code == 403 else ""


def judge(mesh: Mesh, *policies: str) -> None:
    """Put the adapter and these policies to work."""
    mesh.write("judge.yaml", "---\n".join((judged_by("authorizationpolicy"), *policies)))
    names = [text.split("name: ")[1].split(",")[0] for text in policies]

    def known() -> bool:
        rules = [each["rule"] for each in mesh.mixer("config")["actions"]]
        held = [
            each
            for target in ("ratings", "store")
            for found in mesh.mixer("may-talk", source="reviews", destination=target)["destinations"]
            for each in found["policies"]
        ]
        return any(each.endswith("authorize") for each in rules) and all(f"default/{name}" in held for name in names)

    mesh.wait(known, "the policies to hold")


def take_back(mesh: Mesh) -> None:
    (mesh.plan.directory / CONFIG / "judge.yaml").unlink()
    mesh.wait(lambda: "authorize" not in str(mesh.mixer("config")), "the rule to be gone")


def test_the_callers_certificate_and_the_request_decide(mesh: Mesh) -> None:
    assert {ask(mesh, caller)[0] for caller in WAYS_OUT} == {200}
    judge(mesh, POLICY)
    assert ask(mesh, "reviews") == (200, "")
    assert ask(mesh, "productpage") == (403, TEXT)
    assert ask(mesh, "reviews", method="DELETE") == (403, TEXT)
    assert ask(mesh, "reviews", path="/health") == (403, TEXT)
    take_back(mesh)
    assert {ask(mesh, caller)[0] for caller in WAYS_OUT} == {200}


def test_mixer_says_beforehand_what_it_will_say(mesh: Mesh) -> None:
    judge(mesh, POLICY)
    for caller in WAYS_OUT:
        answer = mesh.mixer("may-talk", source=caller, destination=RATINGS, path="/ratings/0")
        assert answer["allowed"] is (ask(mesh, caller)[0] == 200)
    take_back(mesh)


def test_a_tcp_connection_is_judged_too(mesh: Mesh) -> None:
    """ratings keeps its stars in a store that speaks no HTTP."""

    def stars() -> str:
        return mesh.http.get(f"http://{WAYS_OUT['reviews']}/ratings/0", headers={"host": RATINGS}).text

    assert "unavailable" not in stars()
    before = stars()
    judge(mesh, STORE_CLOSED)
    mesh.wait(lambda: stars() != before, "ratings to be denied its store")
    take_back(mesh)
    mesh.wait(lambda: stars() == before, "ratings to have its store again")
