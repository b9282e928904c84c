"""The committed lists of what differs between Istio's resources and Pilot's: `lasting.yaml`, with the reason of each
difference, written by hand; and one file per type of what is still to be aligned, which can be written anew."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import yaml

from flotilla_pilot.testing.comparison import Difference, Known
from flotilla_pilot.testing.meshes import SHORT

LASTING = "lasting.yaml"
_HEAD = "# Still to be aligned: `- path` is Istio's alone, `+ path` Pilot's. Written by REWRITE_DIFFERENCES=1.\n"


def lasting_differences(folder: Path) -> list[Known]:
    return _read(folder / LASTING)


def unaligned_differences(folder: Path) -> list[Known]:
    return [known for kind in SHORT for known in _read(folder / f"{kind}.yaml")]


def write_unaligned(folder: Path, found: Iterable[tuple[str, Difference]]) -> None:
    """Write each (case, difference) that nothing lasting covers into the file of its type, those of the same cases together."""
    cases_of: defaultdict[str, set[str]] = defaultdict(set)
    for case, difference in found:
        cases_of[difference.what].add(case)
    for kind in SHORT:
        together: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for what in sorted(cases_of):
            if what[2:].split(".")[0] == kind:
                together[tuple(sorted(cases_of[what]))].append(what)
        groups = [
            {"reason": f"{kind}, still to be aligned", "differ": what, "cases": list(cases)}
            for cases, what in together.items()
        ]
        text = yaml.safe_dump(groups, sort_keys=False, width=200, default_style=None) if groups else "[]\n"
        (folder / f"{kind}.yaml").write_text(_HEAD + text)


def _read(file: Path) -> list[Known]:
    return [Known(**each) for each in yaml.load(file.read_text(), yaml.CSafeLoader)]
