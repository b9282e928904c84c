"""`flotilla stop`."""

from __future__ import annotations

from argparse import Namespace

from flotilla_cli.commands.place import supervisor


def run(arguments: Namespace) -> None:
    supervisor(arguments).stop(arguments.name, kill=arguments.kill)
    print(f"{arguments.name} is {'killed' if arguments.kill else 'stopped'}.")
