"""Every code that a user can meet has its page in docs/errors, and every page is of a code that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "errors"
PAGED = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "README")
SOURCES = sorted((ROOT / "services").glob("*/flotilla_*/**/*.py"))
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
# What takes a code, and at which position.
TAKES = {
    "Problem": 0,
    "Unusable": 0,
    "CallerRefused": 0,
    "_note": 0,
    "error": 1,
    "warning": 1,
    "refuse": 1,
    "wrong": 1,
    "warn": 1,
}


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def words(node: ast.AST) -> Iterator[str]:
    """The codes that an argument can be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.match(node.value):
        yield node.value
    if isinstance(node, ast.IfExp):
        yield from words(node.body)
        yield from words(node.orelse)


def codes_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (place := TAKES.get(name_of(node))) is not None:
            given = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == "code")]
            for argument in given:
                yield from words(argument)
        elif isinstance(node, ast.Tuple):
            yield from triple(node)
        elif isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "RequestRefused" for base in node.bases):
            yield from reasons(node)
        elif isinstance(node, ast.FunctionDef):
            yield from defaults(node)


def triple(node: ast.Tuple) -> Iterator[str]:
    """(field or exception, code, sentence), as some functions give it; such codes have a dash."""
    if len(node.elts) == 3 and " " in "".join(each.value for each in ast.walk(node.elts[2]) if is_text(each)):
        yield from (word for word in words(node.elts[1]) if "-" in word)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def reasons(node: ast.ClassDef) -> Iterator[str]:
    """The fixed words of Citadel's refusals."""
    for each in ast.walk(node):
        if isinstance(each, ast.Assign) and any(
            "reason" in (getattr(t, "id", ""), getattr(t, "attr", "")) for t in each.targets
        ):
            yield from words(each.value)


def defaults(node: ast.FunctionDef) -> Iterator[str]:
    """What a parameter `code` is when it is left out."""
    named = [*node.args.posonlyargs, *node.args.args]
    given = named[len(named) - len(node.args.defaults) :]
    for parameter, default in zip(given, node.args.defaults, strict=True):
        if parameter.arg == "code":
            yield from words(default)


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.AST]:
    """The sources, read."""
    rooms = [*SOURCES, *sorted((ROOT / "shared").glob("flotilla_shared/**/*.py"))]
    return {file: ast.parse(file.read_text()) for file in rooms}


@pytest.fixture(scope="module")
def codes(trees: dict[Path, ast.AST]) -> dict[str, set[str]]:
    """Code -> the rooms that tell it."""
    found: dict[str, set[str]] = {}
    for file in SOURCES:
        for code in codes_of(trees[file]):
            found.setdefault(code, set()).add(file.relative_to(ROOT).parts[1])
    return found


@pytest.fixture(scope="module")
def fragments(trees: dict[Path, ast.AST]) -> set[str]:
    """What the services' texts are made of: constant pieces long enough to be told apart."""
    constants = (node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value.strip() for node in constants if isinstance(node.value, str) and len(node.value.strip()) >= 10}


def test_every_code_has_its_page_and_every_page_its_code(codes: dict[str, set[str]]) -> None:
    without, unused = sorted(set(codes) - set(PAGED)), sorted(set(PAGED) - set(codes))
    assert (without, unused) == ([], []), (
        f"write docs/errors/<code>.md, as its neighbours are written, and its line in docs/errors/README.md, for {without}; "
        f"no service tells {unused}"
    )


def test_a_page_says_who_tells_the_code_what_it_means_and_what_mends_it(
    codes: dict[str, set[str]], fragments: set[str], subtests: pytest.Subtests
) -> None:
    for code in PAGED:
        with subtests.test(code):
            check_page(code, codes.get(code, set()), fragments)


def check_page(code: str, rooms: set[str], fragments: set[str]) -> None:
    title, who, example, meaning, mend = (PAGES / f"{code}.md").read_text().strip().split("\n\n")
    assert title == f"# {code}"
    assert {room.capitalize() for room in rooms} <= set(re.findall(r"\w+", who.partition(", about: ")[0]))
    assert mend.startswith("**To mend it:** ")
    assert len(meaning) > 20
    assert any(piece in example for piece in fragments), f"{code}: no service says {example!r}"


def test_the_index_lists_every_page_once_and_in_order() -> None:
    listed = re.findall(r"^\| \[([a-z0-9-]+)\]\((.+?)\.md\) \| ", (PAGES / "README.md").read_text(), re.M)
    assert [name for name, _ in listed] == [file for _, file in listed] == PAGED
