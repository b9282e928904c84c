"""Run as a program: `python tied.py PARENT SIGNAL PROGRAM ARGUMENT...` becomes PROGRAM, which gets SIGNAL when
process PARENT ends.

A small program instead of a `preexec_fn`: the parent has threads (gRPC's), and between its fork and exec no Python
code can run safely. The tie outlives the exec; it holds to the parent's *thread* that started this program.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 126


def main(parent: int, parting: int, arguments: list[str]) -> int:
    """Does not return unless the program cannot be run."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, parting)
    if os.getppid() != parent:  # it ended before the line above
        return CANNOT_RUN
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606  # what the caller says is run, without a shell
    except OSError as error:
        print(f"{arguments[0]} cannot be run: {error.strerror}", file=sys.stderr)
    return CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
