"""`flotilla validate`: whether objects may be distributed, without a Galley that runs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flotilla_cli.excerpt import Excerpts

if TYPE_CHECKING:
    from flotilla_galley.offline.judge import Judgement

STANDARD_INPUT = "-"
ALL_VALID, SOME_INVALID, UNREADABLE = 0, 1, 2


def run(arguments: Namespace) -> int:
    """0 every document is valid, 1 one is not, 2 a file cannot be read (and nothing is judged)."""
    try:
        texts = [(name, _read(name)) for name in arguments.filename]
    except (OSError, UnicodeDecodeError) as error:
        print(f"flotilla: {_unreadable(error)}", file=sys.stderr)
        return UNREADABLE
    show = _SHOWS[arguments.output]
    return ALL_VALID if show(_judged(texts, arguments.ruleset), dict(texts)) else SOME_INVALID


def _judged(texts: list[tuple[str, str]], ruleset: Any) -> Iterator[Judgement]:
    from flotilla_galley.offline.judge import judge

    count = 0
    for name, text in texts:
        for judgement in judge(name, text, ruleset, count):
            count += 1
            yield judgement


def _read(name: str) -> str:
    if name == STANDARD_INPUT:
        return sys.stdin.read()
    with open(name, encoding="utf-8") as opened:
        return opened.read()


def _unreadable(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read: {error.strerror}. Name a file that is there."
    return f"the file is no text in UTF-8 (byte {error.start}). Save it as UTF-8."


def _lines(judged: Iterator[Judgement], texts: dict[str, str]) -> bool:
    """A line of JSON a document, each as soon as it is judged."""
    valid = True
    for judgement in judged:
        print(json.dumps(judgement.as_dict()))
        valid = valid and judgement.valid
    return valid


def _array(judged: Iterator[Judgement], texts: dict[str, str]) -> bool:
    found = list(judged)
    print(json.dumps([each.as_dict() for each in found], indent=2))
    return all(each.valid for each in found)


def _text(judged: Iterator[Judgement], texts: dict[str, str]) -> bool:
    """Every fault with the lines it stands in; last how many documents were right."""
    excerpts = Excerpts(texts, colour=sys.stdout.isatty())
    count = invalid = 0
    for judgement in judged:
        count += 1
        invalid += not judgement.valid
        name = "/".join(part for part in (judgement.namespace, judgement.name) if part)
        about = f"{judgement.kind} {name}".strip() or f"document {judgement.index}"
        for severity, found in (("error", judgement.errors), ("warning", judgement.warnings)):
            for finding in found:
                print(excerpts.of(severity, about, finding))
    print(f"{count} documents, {invalid} invalid")
    return invalid == 0


_SHOWS: dict[str, Callable[[Iterator[Judgement], dict[str, str]], bool]] = {
    "text": _text,
    "json": _array,
    "jsonl": _lines,
}
