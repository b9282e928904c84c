"""What is kept between runs: programs, wheels, the base image and the layers of images.

The cache is a folder of its own outside the tree, ~/.cache/flotilla-kube (FLOTILLA_KUBE_CACHE names another). It is never needed for
correctness: deleting it costs time only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]


def cache_folder() -> Path:
    named = os.environ.get("FLOTILLA_KUBE_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "flotilla-kube"


def key_of(files: Iterable[Path], *words: str) -> str:
    """Sixteen hex digits that change with any of the words and with the name or content of any of the files."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(f"{len(word)}:{word}".encode())
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:16]


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Waits until nobody else holds the lock file, and holds it. It ends with the process too."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
