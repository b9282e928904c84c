"""Istio 1.4's own samples and test data take effect as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from flotilla_mixer.configuration.build import build_configuration
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.testing.meshes import problems, read_objects
from flotilla_shared.model import kinds
from flotilla_shared.model.legacy_kinds import LEGACY_PLURALS

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
BASE = VECTORS / "fixtures" / "mixer-config" / "default.yaml"
FILES = sorted((VECTORS / "files" / "samples" / "bookinfo").glob("[pt]*/*.yaml"))
FOLDERS = [VECTORS / "files" / "mixer-testdata", *sorted((VECTORS / "files" / "mixer-adapters").glob("*"))]
# What samples refer to and do not hold: kind and name of who refers, field, code.
ABSENT = {
    "mixer-testdata": [
        *(("rule", "promhttp", f"spec.actions[0].instances[{number}]", "no-instance") for number in range(4)),
        ("handler", "denyall", "spec.adapter", "unknown-adapter"),  # an adapter out of process, of no object
        ("rule", "mixerdenysome", "spec.actions[0].handler", "no-handler"),
        ("rule", "mixerdenyip", "spec.actions[0].handler", "no-handler"),
    ],
    "fluentd": [  # an attribute of before 1.0 that no manifest declares any more, and a flag that is written `n`
        *(("logentry", "newlog", f"spec.variables[{name}]", "bad-expression") for name in ("source", "destination")),
        ("fluentd", "handler", "spec", "bad-params"),
        ("rule", "newlogtofluentd", "spec.actions[0].instances[0]", "no-instance"),
    ],
}
Document = dict[str, object]


def documents(place: Path) -> list[Document]:
    """The objects of a file or of all files of a folder, but for those of Kubernetes."""
    files = sorted(place.rglob("*.yaml")) if place.is_dir() else [place]
    found = [each for file in files for each in yaml.safe_load_all(file.read_text()) if each]
    return [each for each in found if kinds.kind_of(each["apiVersion"], each["kind"])]


def adapters_of(place: Path) -> set[str]:
    """The adapters that a sample needs; of one that is out of process, its name with a mark."""
    found = set()
    for each in documents(place):
        kind, spec = str(each["kind"]), each.get("spec") or {}
        assert isinstance(spec, dict)
        if kind == "handler":
            found.add(str(spec["compiledAdapter"]) if "compiledAdapter" in spec else f"{spec['adapter']} (remote)")
        elif kind in LEGACY_PLURALS and kind not in ("metric", "logentry", "quota", "listentry", "checknothing"):
            found.add(kind)
    return found - {"kubernetes"}


def away(place: Path) -> set[str]:
    return adapters_of(place) - load_adapters().keys()


@pytest.mark.parametrize("place", [*FILES, *FOLDERS], ids=lambda each: each.stem)
def test_a_sample_takes_effect(place: Path) -> None:
    """Beside what 1.4 installs. What needs an adapter that is not offered is told of, and nothing else."""
    objects = read_objects(BASE.read_text(), yaml.safe_dump_all(documents(place)))
    configuration = build_configuration(objects, load_adapters(), "cluster.local")
    found = [each for each in problems(configuration) if each not in ABSENT.get(place.stem, ())]
    if not away(place):
        assert found == []
    else:
        assert {code for *_, code in found} <= {"unknown-adapter", "no-handler", "unknown-template", "no-instance"}


def test_the_samples_are_there() -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    whole = [place for place in (*FILES, *FOLDERS) if not away(place)]
    print(f"samples: {len(FILES) + len(FOLDERS)} ran, {len(whole)} of them with all their adapters")
    for place in (*FILES, *FOLDERS):
        if away(place):
            print(f"  {place.stem}: {', '.join(sorted(away(place)))}")
    assert len(whole) >= 20
