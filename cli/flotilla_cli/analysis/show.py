"""Messages as text with excerpts, as istioctl's lines, as JSON and as YAML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from flotilla_cli.excerpt import Excerpts, painted, printable
from flotilla_galley.analysis.message import Message
from flotilla_galley.offline.judge import Finding
from flotilla_shared.model.objects import Problem


@dataclass(frozen=True, slots=True)
class Page:
    """What is to be shown. `texts` are those of the files that were read, by name."""

    messages: Sequence[Message]
    problems: Sequence[Problem]
    texts: Mapping[str, str]
    colour: bool = False


def as_text(page: Page) -> str:
    """Each with the lines it stands in; last how many there are."""
    excerpts = Excerpts(page.texts, colour=page.colour)
    shown = [excerpts.of("error", each.file, _problem(each)) for each in page.problems]
    for each in page.messages:
        if each.reference:
            shown.append(excerpts.of(each.level.word.lower(), each.origin, _message(each)))
        else:
            hint = f"\n  = hint: {each.type.mend}" if each.type.mend else ""
            shown.append(f"{_line(each, page.colour)}{hint}\n")
    return "\n".join([*shown, _summary(page)])


def as_log(page: Page) -> str:
    """istioctl's form: a line each."""
    wrong = [f"Error [{each.code}] ({each.file}:{each.line}) {printable(each.text)}" for each in page.problems]
    return "\n".join([*wrong, *(_line(each, page.colour) for each in page.messages), _summary(page)])


def as_json(page: Page) -> str:
    return json.dumps([each.as_dict() for each in page.messages], indent="\t")


def as_yaml(page: Page) -> str:
    return yaml.safe_dump([each.as_dict() for each in page.messages], sort_keys=True, width=10_000).rstrip("\n")


def _line(message: Message, colour: bool) -> str:
    head = painted(message.level.word.lower(), message.level.word, colour=colour)
    where = " ".join(part for part in (message.origin, message.reference) if part)
    return f"{head} [{message.code}] ({where}) {printable(message.text)}"


def _summary(page: Page) -> str:
    if not page.messages and not page.problems:
        return "Nothing is wrong."
    count: dict[str, int] = {}
    for each in page.messages:
        count[each.level.word.lower()] = count.get(each.level.word.lower(), 0) + 1
    told = [f"{number} {word}{'s' if number > 1 and word != 'info' else ''}" for word, number in count.items()]
    unread = [f"{len(page.problems)} documents that are no objects"] if page.problems else []
    return ", ".join([*told, *unread])


def _message(message: Message) -> Finding:
    resource = message.resource
    file = resource.file if resource is not None else ""
    hint = message.type.mend
    return Finding(message.code, message.field, file, message.line, message.column, message.text, hint)


def _problem(problem: Problem) -> Finding:
    return Finding(problem.code, problem.field, problem.file, problem.line, 1, problem.text, "")


SHOWS: Mapping[str, Callable[[Page], str]] = {"text": as_text, "log": as_log, "json": as_json, "yaml": as_yaml}
