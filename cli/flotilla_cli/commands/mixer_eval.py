"""`flotilla mixer eval`: an expression worked out without a Mixer that runs."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_cli.errors import Refused


def run(arguments: Namespace) -> None:
    """One line of JSON for the expression, or one for each case of a file."""
    if arguments.cases is not None:
        if arguments.expression or arguments.attributes:
            raise Refused("--cases has expressions of its own.", "Leave the expression and -a out.")
        _cases(arguments.cases, arguments.attribute_sets)
    elif arguments.expression is None:
        raise Refused("There is nothing to work out.", "Give an expression, or --cases FILE.")
    else:
        _one(arguments.expression, arguments.attributes or [])


def _one(text: str, attributes: list[str]) -> None:
    from flotilla_mixer.offline.attributes import AttributeTextError, read_attributes
    from flotilla_mixer.offline.evaluate import evaluate
    from flotilla_shared.model.expressions import VOCABULARY

    try:
        bag = read_attributes(attributes, VOCABULARY)
    except AttributeTextError as error:
        raise Refused(str(error), "See docs/reference/mixer-attributes.md for names and types.") from error
    print(json.dumps(evaluate(text, bag, VOCABULARY)))


def _cases(file: Path, sets_file: Path | None) -> None:
    from flotilla_mixer.offline.evaluate import evaluate_case

    sets: Mapping[str, Any] = json.loads(_read(sets_file)) if sets_file is not None else {}
    for number, line in enumerate(_read(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            print(json.dumps(evaluate_case(json.loads(line), sets)))
        except KeyError as error:
            raise Refused(
                f"{file}:{number}: {error} is missing.",
                "A case has id, expression and attributes; a set that it names must be in --attribute-sets.",
            ) from error
        except ValueError as error:
            raise Refused(f"{file}:{number}: {error}.", "Each line is a case as JSON.") from error


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.", "Name a file that is there.") from error
