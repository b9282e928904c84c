"""Writes the lists of libraries that images install before Flotilla itself: `python images/libraries.py`.

Run it after a change of a pyproject.toml. The images of the mesh have one list in common, and so one layer, which is
built, kept and pulled once.
"""

import tomllib
from pathlib import Path

OWN = "flotilla-mesh"
TREE = Path(__file__).resolve().parents[1]
# List -> the rooms whose needs it holds.
LISTS = {
    "mesh.txt": (
        "protos",
        "shared",
        "services/citadel",
        "services/galley",
        "services/pilot",
        "services/mixer",
        "agent",
    ),
    "bookinfo.txt": ("examples/bookinfo",),
}


def libraries(rooms: "tuple[str, ...]") -> "list[str]":
    """What the rooms need of others, sorted, each once; with what the extras of Flotilla's own distributions stand for."""
    projects = [tomllib.loads((TREE / room / "pyproject.toml").read_text())["project"] for room in rooms]
    needed = {requirement for project in projects for requirement in project.get("dependencies", [])}
    own = {requirement for requirement in needed if requirement.startswith(OWN)}
    for project in projects:
        for name, extra in project.get("optional-dependencies", {}).items():
            if f"{project['name']}[{name}]" in own:
                needed.update(extra)
    return sorted(needed - own)


def text(name: str) -> str:
    """What the list of that name must hold."""
    return "".join(f"{requirement}\n" for requirement in libraries(LISTS[name]))


if __name__ == "__main__":
    for name in LISTS:
        (TREE / "images" / name).write_text(text(name))
