"""`flotilla mixer may-talk`: of files, and of a Mixer that runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from flotilla_cli.__main__ import main
from flotilla_mixer.debug.may_talk import may_talk_topic
from flotilla_mixer.offline.mesh import mesh_of
from flotilla_mixer.testing.meshes import MESH, read_objects
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.readiness import Readiness

POLICY = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ratings, namespace: default}
spec:
  selector: {matchLabels: {app: ratings}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/reviews]}}]
    to: [{operation: {methods: [GET], paths: ["/ratings/*"], ports: ["9080"]}}]
    when: [{key: "request.headers[a]", values: [b]}]
"""
ASKED = ["mixer", "may-talk", "reviews-v2", "ratings", "--port", "9080", "--path", "/ratings/7", "-H", "a: b"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "mesh.yaml").write_text(MESH)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return ["-f", str(tmp_path)]


def test_a_call_that_is_allowed_names_policy_rule_and_place(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASKED, *files]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("✓ ratings-v1.default: allowed by AuthorizationPolicy default/ratings rule 0 (")
    assert first.endswith("policy.yaml:2)")
    assert second == "    policies of this workload: default/ratings"


@pytest.mark.parametrize("more", [["-X", "POST"], ["--path", "/"], ["-H", "a: c"], ["--tcp"], ["--port", "1"]])
def test_a_call_that_is_denied(files: list[str], more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, *files, *more]) == 3
    assert "✗ ratings-v1.default: denied: no rule of AuthorizationPolicy default/ratings" in capsys.readouterr().out


def test_as_json(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, *files, "-o", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["destinations"][0]["policy"] == {
        "kind": "AuthorizationPolicy",
        "namespace": "default",
        "name": "ratings",
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["mixer", "may-talk", "nobody", "ratings"], "there is no workload 'nobody'"),
        ([*ASKED, "--claims", "{"], "the claims are no JSON"),
        ([*ASKED, "--live"], "A running Mixer has its own configuration."),
    ],
)
def test_a_question_that_is_none(
    files: list[str], arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *files]) == 1
    assert text in capsys.readouterr().err


@pytest.fixture
async def mixer() -> AsyncIterator[str]:
    """The address of the page of a Mixer with these policies."""
    view = mesh_of(read_objects(MESH, POLICY))
    app = introspection_app("mixer", {}, Readiness(), {"may-talk": may_talk_topic(lambda: view)})
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    yield f"127.0.0.1:{server.ports[0]}"
    await server.stop()


async def test_of_a_mixer_that_runs(mixer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(main, [*ASKED, "--mixer", mixer]) == 0
    assert "allowed by AuthorizationPolicy default/ratings rule 0\n" in capsys.readouterr().out
    assert await asyncio.to_thread(main, [*ASKED, "--mixer", mixer, "-X", "PUT"]) == 3
    assert await asyncio.to_thread(main, ["mixer", "may-talk", "x", "y", "--mixer", mixer]) == 1
    assert "there is no workload 'x'" in capsys.readouterr().err


async def test_a_mixer_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(main, [*ASKED, "--mixer", "127.0.0.1:1"]) == 1
    assert "Mixer's page 127.0.0.1:1 does not answer" in capsys.readouterr().err
