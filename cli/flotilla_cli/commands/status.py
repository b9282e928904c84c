"""`flotilla status`."""

from __future__ import annotations

import json
from argparse import Namespace

from flotilla_cli.commands.place import supervisor


def run(arguments: Namespace) -> None:
    answer = supervisor(arguments).status()
    if arguments.json:
        print(json.dumps(answer, indent=2))
        return
    from flotilla_cli.status.table import show
    from flotilla_cli.status.view import MeshStatus

    show(MeshStatus(answer))
