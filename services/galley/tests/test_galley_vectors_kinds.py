"""Whole objects as today's Istio judges them: the verdict must be equal, or the difference have its reason here."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from flotilla_galley.offline.judge import judge
from flotilla_shared.testing.verdicts import Table, lines

# id -> why our verdict is another.
LOST = "what was wrong is not in the recorded object: "
DIFFERENT = {
    "validation/TestValidateAuthorizationPolicy#30": LOST + "a list `from` without items",
    "validation/TestValidateTelemetry_invalid_message": LOST + "a message of another kind",
}
INNER = "internal.istio.io/gateway-semantics"


def written(case: dict[str, Any]) -> str:
    """The object as a document; recorded names of Istio's inner tests are no names of Kubernetes."""
    group = {
        "AuthorizationPolicy": "security.istio.io/v1",
        "PeerAuthentication": "security.istio.io/v1",
        "RequestAuthentication": "security.istio.io/v1",
        "Telemetry": "telemetry.istio.io/v1",
        "WasmPlugin": "extensions.istio.io/v1alpha1",
        "TrafficExtension": "extensions.istio.io/v1alpha1",
        "ProxyConfig": "networking.istio.io/v1beta1",
        "EnvoyFilter": "networking.istio.io/v1alpha3",
    }.get(case["kind"], "networking.istio.io/v1")
    metadata = {"name": "case"} | (case["metadata"] or {})
    return json.dumps({"apiVersion": group, "kind": case["kind"], "metadata": metadata, "spec": case["spec"]})


def test_kinds_of_today(vectors: Path) -> None:
    table = Table("today/validation/kinds", DIFFERENT)
    warned: Counter[bool] = Counter()
    for case in lines(vectors / "today" / "validation" / "kinds.jsonl"):
        if INNER in (case["metadata"] or {}).get("annotations", {}):
            table.skip("an object that Istio makes for itself of a Gateway API one; nobody writes it")
            continue
        (judged,) = judge("case", written(case))
        said = "; ".join(each.message for each in judged.errors)
        table.compare(case["id"], case["valid"], judged.valid, f"{case['error']} / {said}")
        if case["valid"]:
            warned[bool(case["warning"]) == bool(judged.warnings)] += 1
    table.tell()
    print(f"  of the valid, {warned[True]} agree on whether there is a warning and {warned[False]} do not")
    assert table.ran > 100
    assert table.unexplained == []
    assert table.share >= 0.99
    assert warned[False] == 0
