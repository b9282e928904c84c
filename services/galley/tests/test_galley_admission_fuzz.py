"""Whatever an unauthenticated caller sends to the webhook, and whatever anybody writes as an object, there is an answer."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st

from flotilla_galley.admission.decide import decide
from flotilla_galley.sources.documents import kind_by_name, objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_galley.validation.validate import RuleSet, validate_object
from flotilla_shared.model.kinds import WRITTEN, Kind
from flotilla_shared.runtime.kube.admission import VERSIONS, AdmissionRequest, review

RULE_SETS: list[RuleSet | None] = [None, "today", "1.4"]
# Values at the edges of what fields take, and what people write by mistake.
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [-1, 0, 1, 65536, 2**31, 2**32, 2**64, -(2**63) - 1, 1.5, 1e300, 9**99, 10**400, math.nan, math.inf]
    ),
    st.sampled_from(
        ["", "*", "*.a", "a/b", "~/*", "1s", "-1s", "9" * 400 + "s", "1.2.3.4/40", "::1", "unix:///", "(" * 50]
    ),
    st.text(max_size=12),
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def answered(request: AdmissionRequest, path: str = "/validate") -> Any:
    return decide(request).answer


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 5) -> Any:
    """Plain data that looks like a message, and is wrong here and there."""
    if depth == 0 or draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    made: dict[str, Any] = {}
    for field in draw(st.lists(st.sampled_from(list(descriptor.fields) or [None]), max_size=4)):
        if field is None:
            continue
        inner = field.message_type
        if inner is None:
            names = [value.name for value in field.enum_type.values] if field.enum_type is not None else []
            value = st.sampled_from(names) if names else SCALARS
        elif inner.GetOptions().map_entry:
            value = st.dictionaries(st.text(max_size=5), SCALARS, max_size=2)
        else:
            value = messages(inner, depth - 1)
        made[field.json_name] = (
            draw(st.lists(value, max_size=2)) if field.is_repeated and not _map(field) else draw(value)
        )
    return made


def _map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


@given(st.data(), st.sampled_from(WRITTEN))
def test_any_object_gets_an_answer(data: st.DataObject, kind: Kind) -> None:
    spec = data.draw(messages(kind.message_class().DESCRIPTOR))
    written = {
        "apiVersion": kind.api_versions[0],
        "kind": kind.kind,
        "metadata": {"name": "a", "annotations": {"istio.io/dry-run": data.draw(st.text(max_size=5))}},
        "spec": spec,
    }
    request = {
        "uid": "u",
        "operation": "UPDATE",
        "kind": {"group": kind.group, "version": kind.versions[0], "kind": kind.kind},
        "namespace": "x",
        "object": written,
        "oldObject": {**written, "spec": data.draw(JSON)},
    }
    answer = decide(msgspec.convert(request, AdmissionRequest)).answer
    assert answer.allowed or answer.message


@given(st.data(), st.sampled_from(WRITTEN), st.sampled_from(RULE_SETS))
def test_any_object_is_judged_by_any_rule_set(data: st.DataObject, kind: Kind, ruleset: RuleSet | None) -> None:
    spec = data.draw(messages(kind.message_class().DESCRIPTOR))
    name = data.draw(st.sampled_from(["default", "a", "a.b", "", "*"]))
    written = {"apiVersion": kind.api_versions[0], "kind": kind.kind, "metadata": {"name": name}, "spec": spec}
    found, problems = objects_of("case", YamlDocument(written, 1), kind_by_name)
    for source in found:
        verdict = validate_object(source, ruleset)
        assert (verdict.item is None) is any(problem.severity == "error" for problem in verdict.problems)
        assert all(problem.text and problem.field for problem in verdict.problems)
    assert found or problems


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(body: bytes) -> None:
    assert review(body, "/validate", answered).status in (200, 400)


@given(JSON, JSON, st.sampled_from([*VERSIONS, "v1", ""]))
def test_any_review_gets_an_answer(request: Any, written: Any, version: str) -> None:
    for asked in (request, {"uid": "u", "operation": "CREATE", "object": written, "kind": {"kind": "VirtualService"}}):
        body = json.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": asked}).encode()
        found = json.loads(review(body, "/validate", answered).body)
        assert isinstance(found["response"]["allowed"], bool)
