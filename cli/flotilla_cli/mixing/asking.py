"""From a command line to an explanation: of a Mixer that runs, or of one that is made of files for the question."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flotilla_cli.commands.place import run_dir
from flotilla_cli.errors import Refused
from flotilla_cli.mixing.options import TYPED

if TYPE_CHECKING:
    from flotilla_mixer.explain.question import Question

SECONDS = 30.0


def read_question(
    arguments: Namespace, quotas: dict[str, int], *, consume: bool = False, send: bool = False
) -> Question:
    """Raises Refused for attributes that are none."""
    from flotilla_mixer.explain.question import Question
    from flotilla_mixer.offline.attributes import AttributeTextError, read_attributes
    from flotilla_shared.model.expressions import VOCABULARY, ValueType

    try:
        bag = _call(arguments.call) if arguments.call is not None else {}
        bag |= read_attributes(arguments.attributes or (), VOCABULARY)
        for _, kind in TYPED:
            given = getattr(arguments, kind.lower()) or ()
            bag |= read_attributes(given, VOCABULARY, ValueType(kind))
    except AttributeTextError as error:
        raise Refused(str(error), "See docs/reference/mixer/attributes/README.md for names and types.") from error
    return Question(bag, quotas, consume, send)


def _call(file: Path) -> dict[str, object]:
    """The attributes of the first line of the file. Raises Refused, or AttributeTextError."""
    from flotilla_mixer.offline.tapped import read_line
    from flotilla_shared.model.expressions import VOCABULARY

    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text()
        return read_line(json.loads(text.partition("\n")[0]), VOCABULARY)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}.", "Name a file that is there.") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Refused(
            f"{file} holds no line of JSON: {error}.", "Write one with `flotilla mixer tap -n 1 -o json`."
        ) from error


def read_quotas(texts: list[str] | None) -> dict[str, int]:
    """Amounts of `name=amount,...`; raises Refused."""
    found = {}
    for each in (part for text in texts or () for part in text.split(",") if part):
        name, equals, amount = each.partition("=")
        if not name or (equals and not amount.isdecimal()):
            raise Refused(f"{each!r} is no quota.", "Write name=amount, such as requestcountquota=1.")
        found[name] = int(amount) if equals else 1
    return found


def ask(arguments: Namespace, kind: str, question: Question) -> dict[str, Any]:
    """The explanation of a `check` or a `report`. Raises Refused, or NoMesh where no mesh is up."""
    if not arguments.config:
        return _ask_live(address_of(arguments), kind, question)
    if arguments.mixer:
        raise Refused("A Mixer that runs has its own configuration.", "Leave out -f or --mixer.")
    return _play(arguments, kind, question)


def address_of(arguments: Namespace) -> str:
    """The introspection port of the Mixer that is meant; raises NoMesh."""
    if arguments.mixer:
        return str(arguments.mixer)
    from flotilla_cli.mesh import INTROSPECTION_PORT, Mesh

    return f"{Mesh.attach(run_dir(arguments)).plan.addresses['mixer']}:{INTROSPECTION_PORT}"


def _ask_live(address: str, kind: str, question: Question) -> dict[str, Any]:
    import httpx

    try:
        with httpx.Client(trust_env=False, timeout=SECONDS) as client:
            answer = client.post(f"http://{address}/debug/{kind}", json=question.as_json())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(f"Mixer's introspection port {address} does not answer: {error}.") from error
    except ValueError as error:
        raise Refused(f"The attributes cannot be sent as JSON: {error}.") from error
    return read_answer(answer, address)


def read_answer(answer: Any, address: str) -> dict[str, Any]:
    """The JSON of an answer; raises Refused with what Mixer said."""
    try:
        found: dict[str, Any] = answer.json()
    except ValueError as error:
        raise Refused(f"{address} is no introspection port of a Mixer: it answered {answer.status_code}.") from error
    if answer.status_code >= 400:
        said = found.get("error") or found.get("detail") or f"status {answer.status_code}"
        raise Refused(f"Mixer at {address} refused: {said}")
    return found


def _play(arguments: Namespace, kind: str, question: Question) -> dict[str, Any]:
    from flotilla_cli.commands.render import tell
    from flotilla_cli.offline.configuration import read_configuration
    from flotilla_mixer.explain.question import QuestionError
    from flotilla_mixer.offline.playing import play_check, play_report

    configuration = read_configuration(arguments.config)
    play = play_check if kind == "check" else play_report
    try:
        found, problems = play(configuration.objects, question, arguments.default_namespace)
    except QuestionError as error:
        raise Refused(str(error)) from error
    tell(configuration.problems)
    told = {(each.field, each.text) for each in configuration.problems}
    tell(replace(each, field=f"{name} {each.field}") for name, each in problems if (each.field, each.text) not in told)
    return found
