"""`flotilla demo`."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from flotilla_cli.commands.place import up_options
from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.walk import CERTIFICATE_SECONDS, walk
from flotilla_cli.options import DEFAULT_CERTIFICATE_SECONDS


def run(arguments: Namespace) -> int:
    options = up_options(arguments)
    if options.certificate_seconds == DEFAULT_CERTIFICATE_SECONDS:
        options = replace(options, certificate_seconds=CERTIFICATE_SECONDS)
    return 0 if walk(options, Stage(), once=arguments.once, adapters=arguments.adapters) else 1
