"""Reading files: a folder as it is at one moment, and what cannot be read of it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flotilla_shared.model.objects import Problem

SUFFIXES = (".yaml", ".yml")
MAX_FILE_BYTES = 16 * 1024 * 1024
DANGLING = "it is a link to what is not there"


Stamp = tuple[int, int, int, int, int]
"""Of a file: device, inode, size, and when its content and its inode changed, in nanoseconds."""

# The clock of a file system ticks every few milliseconds: what is written twice within one tick may have one stamp.
SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FolderReading:
    """`texts` by file name relative to the folder. `whole` is False when the folder itself could not be read.

    `stamps` are of those files that had been left alone for a while: as long as such a file has its stamp, it has its text.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    whole: bool = True
    stamps: Mapping[str, Stamp] = field(default_factory=dict)

    @property
    def unreadable(self) -> frozenset[str]:
        """Files and folders below that are there and could not be read."""
        return frozenset(problem.file for problem in self.problems)


# How often a folder is read anew because it was swapped meanwhile.
MOST_SWAPS = 3
SWAPPED = "..data"


def read_folder(folder: Path, before: FolderReading | None = None) -> FolderReading:
    """Every YAML file below a folder, sorted; links are followed, names with a leading dot are left out. Blocking.

    Files that are as they were in the reading `before` are not opened again.

    Kubernetes changes a mounted ConfigMap or Secret by swapping a link, `..data`, that all files lead through. A reading
    in the middle of that would be of both; it is made again.
    """
    for _ in range(MOST_SWAPS):
        swaps: dict[Path, str] = {}
        reading = _read_folder(folder, swaps, before or FolderReading())
        if all(_target(link) == target for link, target in swaps.items()):
            break
    return reading


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _read_folder(folder: Path, swaps: dict[Path, str], before: FolderReading) -> FolderReading:
    problems: list[Problem] = []
    try:
        names = sorted(_names(folder, problems, swaps))
    except OSError as error:
        text = f"the configuration directory cannot be read: {error.strerror}; what it held stays as it was"
        return FolderReading(problems=(Problem("directory-unreadable", "", text, file=str(folder)),), whole=False)
    texts: dict[str, str] = {}
    stamps: dict[str, Stamp] = {}
    for name in names:
        try:
            texts[name] = _text_of(f"{folder}/{name}", name, before, stamps)
        except FileNotFoundError:
            continue  # removed since it was listed
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"the file cannot be read: {reason}; what it held before stays as it was"
            problems.append(Problem("file-unreadable", "", text, file=name))
    return FolderReading(texts, tuple(problems), stamps=stamps)


def _text_of(file: str, name: str, before: FolderReading, stamps: dict[str, Stamp]) -> str:
    """The file's text, and its stamp in `stamps` where it has one that holds. Raises what `read_text` does."""
    stamp = _stamp(file)
    text = before.texts[name] if stamp is not None and before.stamps.get(name) == stamp else read_text(Path(file))
    if stamp is not None:
        stamps[name] = stamp
    return text


def _stamp(file: str) -> Stamp | None:
    """Taken before the file is read: what is written meanwhile has another. None for what has changed just now."""
    try:
        found = os.stat(file)
    except OSError:
        return None  # reading it will say why
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    if changed + SETTLED_NS > time.time_ns():
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_text(file: Path) -> str:
    """A file's text; raises OSError, or ValueError for one that is too large, no UTF-8, no file, or a link to none.

    FileNotFoundError means that the name itself is not there. Never waits for another process: a named pipe is no file.
    """
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if file.is_symlink():
            raise ValueError(DANGLING) from None
        raise
    with os.fdopen(opened, "rb") as reader:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ValueError("it is no regular file")
        raw = reader.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 text (byte {error.start})") from error


def _names(folder: Path, problems: list[Problem], swaps: dict[Path, str]) -> list[str]:
    """File names below the folder; raises OSError when it cannot be listed, notes folders below that cannot.

    `swaps` gets the links that are swapped when a folder changes, and where each leads.
    """

    def unlisted(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # else removed since it was seen
            problems.append(_lost_folder(str(Path(error.filename).relative_to(folder)), error.strerror))

    os.scandir(folder).close()
    found: list[str] = []
    for place, folders, files in os.walk(folder, followlinks=True, onerror=unlisted):
        if SWAPPED in folders:
            swaps[Path(place, SWAPPED)] = _target(Path(place, SWAPPED))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(place).relative_to(folder)
        if len(below.parts) > 16:
            folders.clear()  # a link that leads back up
        prefix = f"{below}/" if below.parts else ""
        shown = [name for name in files if not name.startswith(".")]
        found.extend(f"{prefix}{name}" for name in shown if name.endswith(SUFFIXES))
        problems.extend(_lost_folder(f"{prefix}{name}", DANGLING) for name in shown if _leads_nowhere(place, name))
    return found


def _leads_nowhere(place: str, name: str) -> bool:
    """A link that may have been a folder; one with the name of a YAML file is told when it is read."""
    if name.endswith(SUFFIXES):
        return False
    path = Path(place, name)
    return path.is_symlink() and not path.exists()


def _lost_folder(name: str, reason: str | None) -> Problem:
    text = f"the folder cannot be read: {reason}; what it held before stays as it was"
    return Problem("directory-unreadable", "", text, file=name)
