"""The images of the project: their Dockerfiles, and the rooms of the tree that each is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kube.cluster.cache import TREE
from tests.kube.cluster.errors import ClusterError

PREFIX = "localhost/flotilla"
TAG = "test"
MESH = "images/mesh.txt"
NOT_IN_IMAGES = (
    "tests",
    "__pycache__",
    ".venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "target",
)


@dataclass(frozen=True)
class Image:
    name: str
    dockerfile: str
    libraries: str
    rooms: tuple[str, ...]

    @property
    def reference(self) -> str:
        return f"{PREFIX}/{self.name}:{TAG}"

    def has(self, extra: str, tree: Path = TREE) -> bool:
        """Whether its Dockerfile takes this extra."""
        return (tree / "images" / f"{self.name}-{extra}.txt").exists()

    def files(self, tree: Path = TREE) -> Iterator[Path]:
        """All that the image is made of, aside of its base, and of the wheels with their constraints."""
        yield tree / self.dockerfile
        yield tree / self.libraries
        yield from sorted((tree / "images").glob(f"{self.name}-*.txt"))  # what it may have beside that
        for room in self.rooms:
            yield from files_of(tree / room)


def _service(name: str) -> Image:
    return Image(name, f"services/{name}/Dockerfile", MESH, ("protos", "shared", f"services/{name}"))


IMAGES = (
    *(_service(name) for name in ("galley", "pilot", "citadel", "mixer")),
    Image("proxy", "agent/Dockerfile", MESH, ("protos", "shared", "agent")),
    Image("bookinfo", "examples/bookinfo/Dockerfile", "images/bookinfo.txt", ("examples/bookinfo",)),
)


def chosen(names: Sequence[str]) -> list[Image]:
    """Those of the names, or all without any. Raises ClusterError for a name that no image has."""
    known = {image.name: image for image in IMAGES}
    for name in names:
        if name not in known:
            raise ClusterError(f"there is no image {name!r}: there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(IMAGES)


def files_of(folder: Path) -> Iterator[Path]:
    """Every file that may go into an image, in a fixed order."""
    for path in sorted(folder.iterdir()):
        if path.name in NOT_IN_IMAGES or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from files_of(path)
        else:
            yield path
