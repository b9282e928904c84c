"""`flotilla mixer check`: what Mixer answers a Check, and why."""

from __future__ import annotations

import json
from argparse import Namespace

from flotilla_cli.errors import Refused
from flotilla_cli.mixing.asking import ask, read_question, read_quotas
from flotilla_cli.mixing.show import check_text

ALLOWED, DENIED = 0, 1
OF_EXPLANATIONS = ("rules", "asked", "failed", "generated", "combined")


def run(arguments: Namespace) -> int:
    """0 the call may pass, 1 it may not, or the Check failed."""
    quotas = read_quotas(arguments.quotas)
    if arguments.consume and arguments.config:
        raise Refused("Quotas of files are nobody's: there is nothing to use up.", "Leave out --consume, or -f.")
    question = read_question(arguments, quotas, consume=arguments.consume)
    found = ask(arguments, "check", question)
    if arguments.output == "json":
        kept = found if arguments.explain else {key: each for key, each in found.items() if key not in OF_EXPLANATIONS}
        print(json.dumps(kept, indent=2))
    else:
        print(check_text(found, explain=arguments.explain))
    return DENIED if found["result"]["code"] else ALLOWED
