"""`flotilla diff`: what would change if objects were applied; asks whoever holds them now, and changes nothing."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from flotilla_cli.commands.place import run_dir
from flotilla_cli.errors import CheckError, FlotillaError, NoMesh, Refused
from flotilla_cli.excerpt import Excerpts

if TYPE_CHECKING:
    from flotilla_cli.difference.compare import Difference
    from flotilla_cli.difference.held import Held
    from flotilla_cli.difference.wanted import Wanted

NONE, SOME, FAULTS = 0, 1, 2
STANDARD_INPUT = "-"


def run(arguments: Namespace) -> int:
    """0 nothing would change, 1 something would, 2 an object is invalid or somebody cannot be asked."""
    from flotilla_cli.difference.compare import Change
    from flotilla_cli.difference.wanted import read_wanted

    try:
        texts = [each for name in arguments.filename for each in _texts(name)]
        wanted = read_wanted(texts)
        held = _held(arguments, wanted)
    except FlotillaError as error:
        print(f"flotilla: {error}", file=sys.stderr)
        return FAULTS
    differences = _differences(arguments, wanted, held)
    (_json if arguments.output == "json" else _text)(differences, wanted, held, dict(texts))
    if wanted.errors:
        return FAULTS
    return SOME if any(each.change is not Change.UNCHANGED for each in differences) else NONE


def _differences(arguments: Namespace, wanted: Wanted, held: Held) -> list[Difference]:
    """Of what a document was that nobody can read, nothing is known: so nothing is said to be removed then."""
    from flotilla_cli.difference.compare import compare

    items = {key: item for key, item in held.items.items() if key not in wanted.refused}
    return compare(items, wanted.items.values(), prune=arguments.prune and not wanted.unknown)


def _texts(name: str) -> list[tuple[str, str]]:
    from flotilla_cli.offline.configuration import read_texts

    if name != STANDARD_INPUT:
        return list(read_texts(Path(name).absolute()))
    try:
        return [(name, sys.stdin.read())]
    except UnicodeDecodeError as error:
        raise Refused(f"Standard input is no text in UTF-8 (byte {error.start}).", "Send YAML in UTF-8.") from error


def _held(arguments: Namespace, wanted: Wanted) -> Held:
    """What was chosen; else the mesh that is up, else the cluster. Raises FlotillaError."""
    from flotilla_cli.difference.held import collections_of, held_by_directory, held_by_galley

    keys = list(wanted.items)
    if arguments.config is not None:
        return held_by_directory(arguments.config.absolute())
    if arguments.galley:
        return held_by_galley(arguments.galley, collections_of(keys, prune=arguments.prune))
    if arguments.kubeconfig is None and not arguments.context:
        from flotilla_cli.mesh import Mesh

        try:
            return held_by_directory(Mesh.attach(run_dir(arguments)).plan.config_dir)
        except NoMesh:
            pass
    return _cluster(arguments, wanted)


def _cluster(arguments: Namespace, wanted: Wanted) -> Held:
    from flotilla_cli.commands.check import connection
    from flotilla_cli.difference.cluster import held_by_cluster

    try:
        found = connection(arguments.kubeconfig, arguments.context, os.environ)
    except CheckError as error:
        if arguments.kubeconfig is not None or arguments.context:
            raise
        text = "There is nothing to compare with: no mesh is up, and no cluster is known."
        raise Refused(text, "Start a mesh, or give --config, --galley or --kubeconfig.") from error
    return held_by_cluster(found, wanted.items, prune=arguments.prune)


def _text(differences: list[Difference], wanted: Wanted, held: Held, texts: dict[str, str]) -> None:
    """Faults on standard error, before all else; then each difference, and the numbers."""
    from flotilla_cli.difference.secrets import covered
    from flotilla_cli.difference.show import summary, text_of

    covered_texts = {name: covered(text) for name, text in texts.items()}
    excerpts = Excerpts(covered_texts, colour=sys.stderr.isatty())
    for severity, about, fault in wanted.faults:
        print(excerpts.of(severity, about, fault), file=sys.stderr)
    for each in differences:
        if shown := text_of(each, colour=sys.stdout.isatty()):
            print(shown)
    print(summary(differences, wanted, held.where))


def _json(differences: list[Difference], wanted: Wanted, held: Held, texts: dict[str, str]) -> None:
    from flotilla_cli.difference.show import as_json

    print(json.dumps(as_json(differences, wanted, held.where), indent=2))
