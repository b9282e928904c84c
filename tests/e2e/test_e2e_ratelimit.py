"""Envoy's rate limit filter asks Mixer: the page's own example, in the whole mesh."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from flotilla_cli.mesh import Mesh

pytestmark = [pytest.mark.mesh, pytest.mark.timeout(180)]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "quotas.md"
SECTION = "## By Envoy's rate limit filter"
WAY_OUT = "127.0.3.1:15002"
DETAILS = "details.default.svc.cluster.local:9080"


def example() -> list[dict[str, Any]]:
    """The objects that the page shows."""
    section = PAGE.read_text().partition(SECTION)[2].partition("\n## ")[0]
    (block,) = re.findall(r"```yaml\n(.*?)```", section, re.S)
    return list(yaml.safe_load_all(block))


def apply(mesh: Mesh, objects: list[dict[str, Any]]) -> None:
    """In Mixer and in the sidecar of details when this returns."""
    mesh.write("per-user.yaml", yaml.safe_dump_all(objects))
    mesh.wait(lambda: any(each["rule"].endswith("per-user") for each in mesh.mixer("config")["actions"]), "the rule")
    mesh.wait(lambda: "RateLimit" in mesh.admin("details-v1", "/config_dump").text, "the filter")


def call(mesh: Mesh, **headers: str) -> httpx.Response:
    return mesh.http.get(f"http://{WAY_OUT}/details/0", headers={"host": DETAILS, **headers})


def is_asked(mesh: Mesh) -> bool:
    """Whether calls pass the filter: those on connections that began before it do not, until Envoy has drained them."""
    return all("x-ratelimit-limit" in call(mesh, **{"end-user": "nobody"}).headers for _ in range(8))


def test_the_example_of_the_page_limits_each_user(mesh: Mesh) -> None:
    apply(mesh, example())
    mesh.wait(lambda: is_asked(mesh), "the filter on all connections", seconds=60)
    answers = [call(mesh, **{"end-user": "jason"}) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["1", "0", "0"]
    assert answers[0].headers["x-ratelimit-limit"] == '2, 2;w=60;name="peruser"'
    assert answers[2].headers["x-envoy-ratelimited"] == "true"
    assert answers[2].text == "RESOURCE_EXHAUSTED:Quota is exhausted for: peruser"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 61
    found = [call(mesh, **{"end-user": "mary"}).status_code for _ in range(6)]
    assert found == [200] * 5 + [429]
    assert {call(mesh).status_code for _ in range(8)} == {200}, "who says no user has no descriptor"


def test_answers_are_charged_by_their_bytes(mesh: Mesh) -> None:
    """A call that only looks, and a charge when the answer has gone."""
    handler, instance, rule, filters = example()
    handler["spec"]["params"]["quotas"][0] |= {"maxAmount": 100, "overrides": []}
    settings = filters["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    actions = [{"generic_key": {"descriptor_key": "user", "descriptor_value": "all"}}]
    settings["rate_limits"] = [
        {"actions": actions, "hits_addend": {"number": 0}},
        {"actions": actions, "hits_addend": {"format": "%BYTES_SENT%"}, "apply_on_stream_done": True},
    ]
    apply(mesh, [handler, instance, rule, filters])
    first = call(mesh)
    assert first.status_code == 200
    assert len(first.content) > 100, "more than there is, so nothing is left"
    mesh.wait(lambda: call(mesh).status_code == 429, "the answer to be charged")


def test_what_cannot_be_counted_is_the_filters_to_decide(mesh: Mesh) -> None:
    """A quota that nobody limits is no such thing."""
    objects = example()
    settings = objects[3]["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    settings |= {"failure_mode_deny": True, "domain": "nobody-limits-this"}
    apply(mesh, objects)
    assert {call(mesh, **{"end-user": "jason"}).status_code for _ in range(4)} == {200}, (
        "without a rule there is no limit"
    )
    objects[1]["spec"]["params"]["dimensions"] = {"user": "request.path"}
    settings["domain"] = "peruser"
    apply(mesh, objects)
    mesh.wait(lambda: call(mesh, **{"end-user": "jason"}).status_code == 500, "what cannot be counted")
