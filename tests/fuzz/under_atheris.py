"""One target under atheris, in a process of its own: `python -m tests.fuzz.under_atheris NAME [options of libFuzzer]`."""

from __future__ import annotations

import contextlib
import io
import logging
import sys

import atheris
import structlog

with (
    contextlib.redirect_stderr(io.StringIO()),  # a line for each module
    atheris.instrument_imports(include=["flotilla_galley", "flotilla_mixer", "flotilla_shared"]),
):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Ends the process: 0 when the time is over, else with what was found."""
    name, *options = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    atheris.Setup([sys.argv[0], *options], TARGETS[name]())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
