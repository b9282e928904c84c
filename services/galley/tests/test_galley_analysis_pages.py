"""The pages about codes are current, and each example makes the message that it is about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from flotilla_galley.analysis.catalogue import catalogue
from flotilla_galley.analysis.pages import example, pages, tellers, told_of

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
REWRITE = "to rewrite them: python -m flotilla_galley.analysis.pages docs/reference"
CODES = sorted({each.code for each in catalogue().values()})
# No analyzer tells these: they are what Istio's check before an installation says, or told of analyzers themselves.
NOT_OF_ANALYZERS = {"IST0001", "IST0141", "IST0142", "IST0143", "IST0156", "IST0168", "IST0169", "IST0172"}
# This needs the objects of two clusters.
WITHOUT_EXAMPLE = {"IST0170"}
TOLD = sorted({each.code for each in catalogue().values() if tellers(each.name)} - NOT_OF_ANALYZERS - WITHOUT_EXAMPLE)


def test_every_page_is_current() -> None:
    written = {str(file.relative_to(REFERENCE)) for file in (REFERENCE / "analysis").glob("*.md")} | {"analysis.md"}
    made = pages()
    assert written == made.keys(), REWRITE
    assert [name for name, text in made.items() if (REFERENCE / name).read_text() != text] == [], REWRITE


@pytest.mark.parametrize("code", TOLD)
def test_an_example_makes_the_message_where_it_says(code: str) -> None:
    text = example(code)
    assert text, f"write services/galley/flotilla_galley/analysis/examples/{code}.yaml"
    places = Counter(number for number, line in enumerate(text.splitlines(), 1) if line.endswith(f"# {code}"))
    assert Counter(each.line for each in told_of(code)) == places
    assert places


def test_what_no_analyzer_tells_says_who_does_or_why_nobody() -> None:
    untold = {each.code for each in catalogue().values() if each.untold}
    assert untold == NOT_OF_ANALYZERS - {"IST0001"}


def test_no_example_is_of_a_code_that_nobody_tells() -> None:
    assert [code for code in CODES if example(code) and code not in TOLD] == []


def test_everything_is_said_of_every_code() -> None:
    assert [each.name for each in catalogue().values() if not each.means or not each.mend] == []
