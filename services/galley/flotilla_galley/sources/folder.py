"""Reading files: a folder as it is at one moment, and what cannot be read of it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from flotilla_galley.sources.listing import DANGLING, Listing, list_folder, target
from flotilla_shared.model.objects import Problem

MAX_FILE_BYTES = 16 * 1024 * 1024

Stamp = tuple[int, int, int, int, int]
"""Of a file: device, inode, size, and when its content and its inode changed, in nanoseconds."""

# The clock of a file system ticks every few milliseconds: what is written twice within one tick may have one stamp.
SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FolderReading:
    """`texts` by file name relative to the folder, in order. `whole` is False when the folder itself could not be read.

    `linked` says whether something in it is a link.

    `stamps` are of those files that had been left alone for a while: as long as such a file has its stamp, it has its text.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    whole: bool = True
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    linked: bool = False

    @property
    def unreadable(self) -> frozenset[str]:
        """Files and folders below that are there and could not be read."""
        return frozenset(problem.file for problem in self.problems)


# How often a folder is read anew because it was swapped meanwhile.
MOST_SWAPS = 3


def read_folder(folder: Path, before: FolderReading | None = None) -> FolderReading:
    """Every YAML file below a folder, sorted; links are followed, names with a leading dot are left out. Blocking.

    Files that are as they were in the reading `before` are not opened again.

    Kubernetes changes a mounted ConfigMap or Secret by swapping a link, `..data`, that all files lead through. A reading
    in the middle of that would be of both; it is made again.
    """
    for _ in range(MOST_SWAPS):
        try:
            listing = list_folder(folder)
        except OSError as error:
            text = f"the configuration directory cannot be read: {error.strerror}; what it held stays as it was"
            return FolderReading(problems=(Problem("directory-unreadable", "", text, file=str(folder)),), whole=False)
        reading = _read(folder, listing, before or FolderReading())
        if all(target(link) == led for link, led in listing.swaps.items()):
            break
    return reading


def read_again(folder: Path, before: FolderReading, changed: Iterable[str]) -> FolderReading | None:
    """The reading after the files at these paths have changed; None where that is not enough, and all has to be looked at.

    It is enough for files that were there and are, if there is no link by which they may be reached on another way. Blocking.
    """
    if not before.whole or before.problems or before.linked:
        return None
    texts, stamps = dict(before.texts), dict(before.stamps)
    within = f"{folder.resolve()}/"
    for path in changed:
        name = path.removeprefix(within)
        if name == path or (_is_hidden(name) and not os.path.lexists(path)):
            continue  # elsewhere, or a file by which another was replaced
        if name not in texts or os.path.islink(path):
            return None
        stamps.pop(name, None)
        try:
            texts[name] = _text_of(path, name, before, stamps)
        except (OSError, ValueError):
            return None
    return replace(before, texts=texts, stamps=stamps)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _read(folder: Path, listing: Listing, before: FolderReading) -> FolderReading:
    problems = list(listing.problems)
    texts: dict[str, str] = {}
    stamps: dict[str, Stamp] = {}
    for name in listing.names:
        try:
            texts[name] = _text_of(f"{folder}/{name}", name, before, stamps)
        except FileNotFoundError:
            continue  # removed since it was listed
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"the file cannot be read: {reason}; what it held before stays as it was"
            problems.append(Problem("file-unreadable", "", text, file=name))
    return FolderReading(texts, tuple(problems), stamps=stamps, linked=listing.linked)


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
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)  # of a folder nothing is made that would
        raise ValueError("it is no regular file")
    with os.fdopen(opened, "rb") as reader:
        raw = reader.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 text (byte {error.start})") from error
