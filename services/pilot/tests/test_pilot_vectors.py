"""Istio's own cases: where calls land. What differs is listed with its reason."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_pilot.offline.cases import play_case, settings_of
from flotilla_pilot.testing.meshes import Compiled
from flotilla_pilot.testing.recorded import compile_recorded, recorded_snapshot


def tell(table: str, counts: Counter[Any], different: Counter[str]) -> None:
    print(f"{table}: {counts['ran']} ran, {counts['skipped']} skipped, {sum(different.values())} differ")
    for reason, number in sorted(different.items()):
        print(f"  {number} {reason}")


# -- simulation

CALLS_DIFFERENT: dict[str, str] = {}
"""By the beginning of a case's name."""


def simulated(folder: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Every environment, with why it is skipped (empty: it is played)."""
    for file in sorted(folder.glob("*.json")):
        case = json.loads(file.read_text())
        yield case, "services in the shape of Istio's inner model" if case["input"].get("services") else ""


def fault(given: dict[str, Any], found: dict[str, str]) -> str:
    """What of the answer is not as wanted."""
    wanted = {name: value for name, value in given["want"].items() if name != "strict"}
    asked = {name: found.get(name, "") for name in wanted}
    if asked != wanted:
        return f"wanted {wanted}, found {found}"
    if given["want"].get("strict") and set(found) - set(wanted):
        return f"wanted nothing but {wanted}, found {found}"
    return ""


def part_of(given: dict[str, Any]) -> str:
    """By where Istio's answer ends: most calls end nowhere in particular, and must not hide the others."""
    cluster = given["got"].get("cluster", "")
    return "Passthrough or BlackHole" if "Passthrough" in cluster or "BlackHole" in cluster else "all others"


def test_where_calls_land(vectors: Path) -> None:
    counts: Counter[Any] = Counter()
    different: Counter[str] = Counter()
    wrong = []
    for case, skipped in simulated(vectors / "today" / "simulation"):
        if skipped:
            counts["skipped"] += len(case["calls"])
            different[f"(skipped) {skipped}"] += 0
            continue
        documents = [*case["input"]["configs"], *(o for f in case["input"].get("kubernetes", {}).values() for o in f)]
        settings = settings_of(case.get("environment") or {})
        snapshot = recorded_snapshot(documents, case["input"].get("meshConfig"), settings)
        for each, found in zip(case["calls"], play_case(case, snapshot), strict=True):
            counts["ran"] += 1
            text = "" if each.get("skip") else fault(each, found)
            if not each.get("skip"):
                counts[part_of(each), "scored"] += 1
                counts[part_of(each), "as wanted"] += not text
            reason = next((why for start, why in CALLS_DIFFERENT.items() if each["id"].startswith(start)), "")
            if text and reason:
                different[reason] += 1
            elif text:
                wrong.append((each["id"], each.get("name"), text))
    tell("today/simulation", counts, different)
    for part in ("Passthrough or BlackHole", "all others"):
        print(f"  {part}: {counts[part, 'as wanted']} of {counts[part, 'scored']}")
        assert counts[part, "as wanted"] >= 0.98 * counts[part, "scored"]
    assert counts["ran"] > 100
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "name", ["k8s-port-protocols", "k8s-headless", "k8s-auto-protocol", "se-tcp-cidr", "vs-tls-sni"]
)
def test_envoy_takes_the_small_meshes(name: str, vectors: Path, validate: Callable[[Compiled], None]) -> None:
    folder = vectors / "today" / "golden" / name
    documents = [each for each in yaml.safe_load_all((folder / "config.yaml").read_text()) if each]
    validate(compile_recorded(documents, None, yaml.safe_load((folder / "proxy.yaml").read_text())))
