"""Prints what rooms need of others: `python images/libraries.py ROOM...` reads their pyproject.toml, one requirement a line.

Images install these first and the rooms themselves after, so that a change of Flotilla's code leaves the bigger layer as it is.
"""

import re
import sys
import tomllib
from pathlib import Path

OWN = "flotilla-mesh"


def libraries(rooms: "list[Path]") -> "list[str]":
    """Sorted, each once; without Flotilla's own distributions, with what their extras stand for."""
    projects = [tomllib.loads((room / "pyproject.toml").read_text())["project"] for room in rooms]
    needed = {requirement for project in projects for requirement in project.get("dependencies", [])}
    own = {requirement for requirement in needed if re.match(OWN, requirement)}
    for project in projects:
        for name, extra in project.get("optional-dependencies", {}).items():
            if f"{project['name']}[{name}]" in own:
                needed.update(extra)
    return sorted(needed - own)


if __name__ == "__main__":
    print("\n".join(libraries([Path(room) for room in sys.argv[1:]])))
