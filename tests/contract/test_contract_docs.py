"""What the documents say about themselves and the commands is so."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from flotilla_cli.parser import build_parser

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:\.venv/bin/)?flotilla ([a-z][a-z-]*)|`(?:\.venv/bin/)?flotilla ([a-z][a-z-]*)", re.M)


def documents() -> list[Path]:
    """Every Markdown file that is committed, or about to be."""
    listed = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    try:
        found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive, no checkout
        return [file for file in sorted(ROOT.rglob("*.md")) if ".venv" not in file.parts]
    return sorted(ROOT / name for name in found if (ROOT / name).is_file())


DOCUMENTS = {str(file.relative_to(ROOT)): file for file in documents()}


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)


def commands() -> set[str]:
    (action,) = (each for each in build_parser()._actions if isinstance(each, argparse._SubParsersAction))
    return set(action.choices)


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_links_lead_somewhere(name: str) -> None:
    file = DOCUMENTS[name]
    targets = [target.partition("#")[0] for target in LINK.findall(without_code(file.read_text()))]
    inside = [target for target in targets if target and "://" not in target]
    assert [target for target in inside if not (file.parent / target).exists()] == []


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_commands_that_are_named_exist(name: str) -> None:
    named = {first or second for first, second in COMMAND.findall(DOCUMENTS[name].read_text())}
    assert named <= commands()


def test_the_commands_readme_names_every_command() -> None:
    named = {first or second for first, second in COMMAND.findall((ROOT / "cli" / "README.md").read_text())}
    assert named >= commands()


@pytest.mark.parametrize("folder", ["tutorial", "how-to", "reference", "explanation", "adr", "errors"])
def test_every_kind_of_document_is_there(folder: str) -> None:
    assert [name for name in DOCUMENTS if name.startswith(f"docs/{folder}/")]


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [Path(name).name[:4] for name in DOCUMENTS if re.match(r"docs/adr/\d{4}-", name)]
    assert sorted(set(numbers)) == sorted(numbers)
