"""`flotilla mixer eval`: an expression worked out without a Mixer that runs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_cli.errors import Refused


def run(arguments: Namespace) -> int:
    """One line of JSON for the expression, or one for each case of a file. 1 when a line of the file was no case."""
    if arguments.cases is not None:
        if arguments.expression or arguments.attributes:
            raise Refused("--cases has expressions of its own.", "Leave the expression and -a out.")
        return _cases(arguments.cases, arguments.attribute_sets, arguments.language)
    if arguments.expression is None:
        raise Refused("There is nothing to work out.", "Give an expression, or --cases FILE.")
    _one(arguments.expression, arguments.attributes or [], arguments.language)
    return 0


def _one(text: str, attributes: list[str], language: str) -> None:
    from flotilla_mixer.expressions.languages import Language
    from flotilla_mixer.offline.attributes import AttributeTextError, read_attributes
    from flotilla_mixer.offline.evaluate import evaluate
    from flotilla_shared.model.expressions import VOCABULARY

    try:
        bag = read_attributes(attributes, VOCABULARY)
    except AttributeTextError as error:
        raise Refused(str(error), "See docs/reference/mixer/attributes/README.md for names and types.") from error
    print(json.dumps(evaluate(text, bag, VOCABULARY, Language(language))))


def _cases(file: Path, sets_file: Path | None, language: str) -> int:
    """A line that is no case is told on standard error, with its number, and the others are answered."""
    from flotilla_mixer.expressions.languages import Language
    from flotilla_mixer.offline.evaluate import CaseError, evaluate_case

    sets, bad = _sets(sets_file), 0
    for number, line in enumerate(_read(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            print(json.dumps(evaluate_case(json.loads(line), sets, Language(language))))
        except json.JSONDecodeError as error:
            bad = _told(f"{file}:{number}: this line is no JSON: {error.msg} at column {error.colno}.")
        except (CaseError, RecursionError) as error:
            bad = _told(f"{file}:{number}: {error}.")
    return bad


def _told(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


def _sets(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        found = json.loads(_read(file))
    except ValueError as error:
        raise Refused(f"{file} is no JSON: {error}.", "It has the attributes of each set: name to type.") from error
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise Refused(f"{file} has no sets.", 'It is an object such as {"default": {"request.path": "STRING"}}.')
    return found


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.", "Name a file that is there.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is no text in UTF-8: {error.reason}.", "Name a file of cases.") from error
