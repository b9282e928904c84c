"""The root's ConfigMap: whose one is, and how ours is made and put right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_citadel.publish.config_map import KEY, LABEL, MARK, NAME, Finding, Publication, citadel_id
from flotilla_citadel.publish.namespaces import Standing, Standings, State, foreign, goes_away
from flotilla_shared.runtime.kube.errors import Forbidden, KubeError, NotFound, Unreachable
from flotilla_shared.runtime.kube.objects import ConfigMap
from flotilla_shared.testing.patches import merge_patch

ROOT, OTHER = "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n", "another root\n"
OURS = "istio-system/cluster.local/default"
PUBLICATION = Publication(ROOT, OURS)


def config_map(mark: str | None = OURS, label: str | None = "true", **data: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": NAME,
            "namespace": "shop",
            "resourceVersion": "7",
            "labels": {LABEL: label} if label is not None else {},
            "annotations": {MARK: mark, "other": "x"} if mark is not None else {"other": "x"},
        },
        "data": {name.replace("_", "-"): value for name, value in data.items()},
    }


def with_root(root: str, **more: Any) -> dict[str, Any]:
    found = config_map(**more)
    found["data"][KEY] = root
    return found


FINDINGS = [
    (None, Finding.ABSENT),
    (with_root(ROOT), Finding.PUBLISHED),
    (with_root(OTHER), Finding.EDITED),
    (with_root(ROOT.rstrip()), Finding.EDITED),
    (with_root(ROOT, label=None), Finding.EDITED),
    (with_root(ROOT, label="false"), Finding.EDITED),
    (with_root(ROOT, extra="x"), Finding.EDITED),
    (config_map(), Finding.EDITED),
    (with_root(OTHER, mark=None), Finding.FOREIGN),
    (with_root(OTHER, mark="istio-system/other.test/default"), Finding.FOREIGN),
    (config_map(mark=None), Finding.FOREIGN),
    (with_root(ROOT, mark=None), Finding.SHARED),
    (with_root(ROOT.replace("\n", "\r\n"), mark="istio-system/cluster.local/canary"), Finding.SHARED),
]


@pytest.mark.parametrize(("content", "expected"), FINDINGS)
def test_whose_a_config_map_is(content, expected):
    found = msgspec.convert(content, ConfigMap) if content else None
    assert PUBLICATION.find(found) is expected


def test_what_is_made_is_published():
    made = PUBLICATION.manifest("shop")
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("istio-ca-root-cert", "shop")
    assert PUBLICATION.find(msgspec.convert(made, ConfigMap)) is Finding.PUBLISHED


TEXTS = st.dictionaries(st.sampled_from([KEY, "ca.crt", "x"]), st.sampled_from([ROOT, OTHER, ""]))
LABELS = st.dictionaries(st.sampled_from([LABEL, "app"]), st.sampled_from(["true", "false"]))


@given(TEXTS, LABELS)
def test_a_repair_puts_any_edit_right_and_keeps_what_is_others(data, labels):
    content = config_map() | {"data": data}
    content["metadata"]["labels"] = labels
    patch = PUBLICATION.repair(msgspec.convert(content, ConfigMap))
    assert patch["metadata"]["resourceVersion"] == "7"  # only over what was seen
    after = merge_patch(content, patch)
    assert PUBLICATION.find(msgspec.convert(after, ConfigMap)) is Finding.PUBLISHED
    assert after["metadata"]["annotations"]["other"] == "x"
    assert after["metadata"]["labels"].get("app") == labels.get("app")


IDS = [
    (("istio-system", "cluster.local", ""), "istio-system/cluster.local/default"),
    (("istio-system", "cluster.local", "canary"), "istio-system/cluster.local/canary"),
    (("mesh", "example.test", ""), "mesh/example.test/default"),
]


@pytest.mark.parametrize(("parts", "expected"), IDS)
def test_the_mark_is_the_same_after_every_restart(parts, expected):
    assert citadel_id(*parts) == expected


TERMINATING = (
    'configmaps "istio-ca-root-cert" is forbidden: unable to create new content in namespace shop because it is being '
    "terminated"
)
GOING = [
    (Forbidden(403, "Forbidden", TERMINATING), True),
    (NotFound(404, "NotFound", 'namespaces "shop" not found'), True),
    (Forbidden(403, "Forbidden", 'User "x" cannot create resource "configmaps" in the namespace "shop"'), False),
    (KubeError(500, "InternalError", "because it is being terminated"), False),
    (Unreachable("refused"), False),
]


@pytest.mark.parametrize(("error", "expected"), GOING)
def test_only_a_namespace_that_goes_away_is_quiet(error, expected):
    assert goes_away(error) is expected


def test_standings_are_counted_and_troubles_are_named():
    standings = Standings()
    assert standings.put("a", Standing(State.PUBLISHED)) is None
    assert standings.put("b", foreign("b")) is None
    assert standings.put("a", Standing(State.WAITING, "soon")) == Standing(State.PUBLISHED)
    seen: Any = standings.view()
    assert seen["namespaces"] == {"published": 0, "shared": 0, "foreign": 1, "waiting": 1, "failed": 0}
    (problem,) = seen["problems"]
    assert (problem["namespace"], problem["state"]) == ("b", "foreign")
    assert "ConfigMap b/istio-ca-root-cert holds another root" in problem["reason"]
    standings.remove("b")
    assert standings.view()["problems"] == []
