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
# List -> room and extra: what an image has beside its list where that is chosen (--build-arg EXTRAS=opa).
EXTRAS = {f"mixer-{extra}.txt": ("services/mixer", extra) for extra in ("cloudwatch", "native", "opa", "stackdriver")}
EXTRAS["citadel-native.txt"] = ("services/citadel", "native")


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


def extra(room: str, name: str) -> "list[str]":
    """What an extra of a room needs of others, sorted."""
    project = tomllib.loads((TREE / room / "pyproject.toml").read_text())["project"]
    return sorted(project["optional-dependencies"][name])


def text(name: str) -> str:
    """What the list of that name must hold."""
    found = extra(*EXTRAS[name]) if name in EXTRAS else libraries(LISTS[name])
    return "".join(f"{requirement}\n" for requirement in found)


if __name__ == "__main__":
    for name in (*LISTS, *EXTRAS):
        (TREE / "images" / name).write_text(text(name))
