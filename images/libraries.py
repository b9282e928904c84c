"""Prints what rooms need of others: `python images/libraries.py ROOM...` reads their pyproject.toml, one requirement a line.

Images install these first and the rooms themselves after, so that a change of Flotilla's code leaves the bigger layer as it is.
"""

import re
import sys
import tomllib
from pathlib import Path

OWN = "flotilla-mesh"


def libraries(rooms: "list[Path]") -> "list[str]":
    """Sorted, each once; without Flotilla's own distributions."""
    needed = set()
    for room in rooms:
        with (room / "pyproject.toml").open("rb") as file:
            needed.update(tomllib.load(file)["project"].get("dependencies", []))
    return sorted(needed - {requirement for requirement in needed if re.match(OWN, requirement)})


if __name__ == "__main__":
    print("\n".join(libraries([Path(room) for room in sys.argv[1:]])))
