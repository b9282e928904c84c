"""The grid: for every analyzer a file of objects, with the codes of what it tells as comments where it must stand.

`analysis/<rule set>/<name of the analyzer>.yaml`, and further ones with `--<what for>` behind the name. What other
clusters hold stands in files with `@<cluster>` behind it. An analyzer without a file, or one whose file expects nothing of it, fails.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flotilla_galley.analysis.analyzer import Analyzer
from flotilla_galley.analysis.analyzers import schema_validation
from flotilla_galley.analysis.catalogue import catalogue
from flotilla_galley.analysis.ingress_defaults import with_ingress_gateway
from flotilla_galley.analysis.reading import read_resources
from flotilla_galley.analysis.registry import BY_RULE_SET
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.analysis.run import analyze
from flotilla_shared.model.kinds import Kind, by_collection

GRID = Path(__file__).parent / "analysis"
EXPECTED = re.compile(r"#((?: IST\d{4})+)$")
# Each kind's own validation is tested in its own place; here, that what it says becomes messages: files of some are enough.
SCHEMA = {each.name for each in schema_validation.ANALYZERS}


def files_of(rule_set: str, analyzer: Analyzer) -> list[Path]:
    """One that is not there, where there must be one."""
    first = GRID / rule_set / f"{analyzer.name}.yaml"
    further = sorted((GRID / rule_set).glob(f"{analyzer.name}--*.yaml"))
    return [first, *further] if first.is_file() or analyzer.name not in SCHEMA else further


CASES = [
    pytest.param(analyzer, file, id=f"{rule_set}:{file.stem}")
    for rule_set, analyzers in BY_RULE_SET.items()
    for analyzer in analyzers
    for file in files_of(rule_set, analyzer)
]


def expected(text: str) -> Counter[tuple[int, str]]:
    """(line, code) of each comment."""
    found: Counter[tuple[int, str]] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if written := EXPECTED.search(line):
            found.update((number, code) for code in written[1].split())
    return found


def remote(file: Path) -> dict[str, ResourceSet]:
    others = sorted(file.parent.glob(f"{file.stem}@*.yaml"))
    return {each.stem.rpartition("@")[2]: read_resources([(each.name, each.read_text())]) for each in others}


@pytest.mark.parametrize(("analyzer", "file"), CASES)
def test_an_analyzer_tells_what_its_file_expects(analyzer: Analyzer, file: Path) -> None:
    assert file.is_file(), f"{analyzer.name} has no case: write {file.relative_to(GRID.parent)}"
    text = file.read_text()
    resources = read_resources([(file.name, text)])
    assert resources.problems == ()
    found = analyze(with_ingress_gateway(resources).over(ResourceSet(remote=remote(file))), [analyzer])
    assert Counter((each.line, each.code) for each in found.messages) == expected(text)
    assert found.messages, f"{file.name} expects nothing of {analyzer.name}"


@pytest.mark.parametrize("analyzer", schema_validation.ANALYZERS, ids=lambda each: each.name)
def test_each_kind_is_validated(analyzer: Analyzer) -> None:
    kind = by_collection(analyzer.reads[0])
    assert isinstance(kind, Kind)
    text = f"kind: {kind.kind}\napiVersion: {kind.group}/v0\nmetadata: {{name: a}}\n"
    (wrong,) = analyze(read_resources([("a.yaml", text)]), [analyzer]).messages
    assert (wrong.code, wrong.line) == ("IST0106", 2)
    assert kind.api_versions[0] in wrong.text


def codes_of(rule_set: str) -> Iterator[str]:
    for file in sorted((GRID / rule_set).glob("*.yaml")):
        yield from (code for _, code in expected(file.read_text()))


def test_no_file_is_of_an_analyzer_that_there_is_not() -> None:
    for rule_set, analyzers in BY_RULE_SET.items():
        assert {file.stem.partition("--")[0].partition("@")[0] for file in (GRID / rule_set).iterdir()} <= {
            each.name for each in analyzers
        }


def test_every_code_of_the_grid_is_in_the_catalogue() -> None:
    known = {each.code for each in catalogue().values()}
    assert {*codes_of("today"), *codes_of("1.4")} <= known
