"""The filters that verdicts are compared with are those of Istio's compiler."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from flotilla_protos.istio.security.v1beta1.authorization_policy_pb2 import AuthorizationPolicy
from flotilla_shared.model import kinds
from flotilla_shared.model.authorization.policies import policy_of
from flotilla_shared.model.authorization.policy import Action, Policy
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from tests.authorization.compiled import rules_of

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "today" / "authz"
SHADOWED = "dry runs are compiled to rules beside those in force"
PROVIDED = "CUSTOM is compiled to a question to a provider"
FOLDERS = sorted(each for each in VECTORS.iterdir() if each.is_dir()) if VECTORS.exists() else []
ACTIONS: tuple[Action, ...] = ("DENY", "ALLOW", "AUDIT")


def policies_of(documents: Iterable[Mapping[str, Any]], trust_domains: Iterable[str]) -> list[Policy]:
    found = []
    for each in filter(None, documents):
        meta = each["metadata"]
        key = ObjectKey(kinds.AUTHORIZATION_POLICIES, meta["namespace"], meta["name"])
        spec = json_format.ParseDict(each.get("spec") or {}, AuthorizationPolicy())
        item = ConfigObject(key, "1", spec, annotations=meta.get("annotations") or {})
        found.append(policy_of(item, [each for each in trust_domains if each]))
    return found


def plain(value: Any) -> Any:
    """Without what differs in writing alone: the case of header names, and the order of what is joined by `and` or `or`."""
    if isinstance(value, dict):
        found = {name: plain(each) for name, each in value.items()}
        if "header" in found:
            found["header"] = {**found["header"], "name": found["header"]["name"].lower()}
        for word in ("andRules", "andIds", "orRules", "orIds"):
            if word in found:
                (name,) = found[word]
                found[word] = {name: sorted(found[word][name], key=json.dumps)}
        return found
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_filters(folder: Path) -> None:
    if "custom" in folder.name or "dry-run" in folder.name:
        pytest.skip(SHADOWED if "dry-run" in folder.name else PROVIDED)
    case = json.loads((folder / "case.json").read_text())
    policies = policies_of(yaml.safe_load_all((folder / "config.yaml").read_text()), case["trustDomains"] or ())
    expected = [yaml.safe_load(file.read_text())["typedConfig"] for file in sorted(folder.glob("expected-*.yaml"))]
    found = [rules_of(policies, action, http=case["protocol"] == "http") for action in ACTIONS]
    assert [plain(each) for each in found if each is not None] == [plain(each["rules"]) for each in expected]


def test_the_cases_are_there() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    skipped = sum("custom" in each.name or "dry-run" in each.name for each in FOLDERS)
    print(f"authz: {len(FOLDERS) - skipped} ran, {skipped} skipped")
    assert len(FOLDERS) > 15
