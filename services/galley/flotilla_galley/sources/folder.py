"""Reading files: a folder as it is at one moment, and what cannot be read of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flotilla_shared.model.objects import Problem

SUFFIXES = (".yaml", ".yml")
MAX_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FolderReading:
    """`texts` by file name relative to the folder. `whole` is False when the folder itself could not be read."""

    texts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    whole: bool = True

    @property
    def unreadable(self) -> frozenset[str]:
        """Files that are there and could not be read."""
        return frozenset(problem.file for problem in self.problems)


def read_folder(folder: Path) -> FolderReading:
    """Every YAML file below a folder, sorted; links are followed, names with a leading dot are left out. Blocking."""
    try:
        names = sorted(_names(folder))
    except OSError as error:
        text = f"the configuration directory cannot be read: {error.strerror}; what it held stays as it was"
        return FolderReading(problems=(Problem("directory-unreadable", "", text, file=str(folder)),), whole=False)
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name in names:
        try:
            texts[name] = read_text(folder / name)
        except FileNotFoundError:
            continue  # removed since it was listed
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"the file cannot be read: {reason}; what it held before stays as it was"
            problems.append(Problem("file-unreadable", "", text, file=name))
    return FolderReading(texts, tuple(problems))


def read_text(file: Path) -> str:
    """A file's text; raises OSError, or ValueError for one that is too large or no UTF-8."""
    with file.open("rb") as opened:
        raw = opened.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 text (byte {error.start})") from error


def _names(folder: Path) -> list[str]:
    """File names below the folder; raises OSError when the folder cannot be listed."""
    os.scandir(folder).close()
    found: list[str] = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(Path(place).relative_to(folder).parts) > 16:
            folders.clear()  # a link that leads back up
        shown = (name for name in files if name.endswith(SUFFIXES) and not name.startswith("."))
        found.extend(str(Path(place, name).relative_to(folder)) for name in shown)
    return found
