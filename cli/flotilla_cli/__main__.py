"""The `flotilla` command: reads the arguments, imports the one module that is asked for, and runs it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from flotilla_cli.errors import FlotillaError
from flotilla_cli.parser import build_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 refused with one sentence on stderr, 2 wrong usage, 130 interrupted."""
    chosen = build_parser().parse_args(arguments)
    command = importlib.import_module(f"flotilla_cli.commands.{chosen.module}")
    try:
        code: int | None = command.run(chosen)
    except FlotillaError as error:
        print(f"flotilla: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone; Python would complain about it at exit
        return 1
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
