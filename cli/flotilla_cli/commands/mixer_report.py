"""`flotilla mixer report`: what would be reported of a call, and to whom."""

from __future__ import annotations

import json
from argparse import Namespace

from flotilla_cli.errors import Refused
from flotilla_cli.mixing.asking import ask, read_question
from flotilla_cli.mixing.show import report_text


def run(arguments: Namespace) -> int:
    """1 where something of it could not be reported."""
    if arguments.send and arguments.config:
        raise Refused("Handlers of files are there for the question only.", "Leave out --send, or -f.")
    found = ask(arguments, "report", read_question(arguments, {}, send=arguments.send))
    print(json.dumps(found, indent=2) if arguments.output == "json" else report_text(found))
    return 1 if found.get("errors") else 0
