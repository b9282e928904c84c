"""Where Envoy is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from flotilla_cli.errors import CheckError

VARIABLE = "FLOTILLA_ENVOY"


def find_envoy(chosen: Path | None, environment: Mapping[str, str], prefix: Path | None = None) -> Path:
    """The Envoy to run: the one chosen, $FLOTILLA_ENVOY, the one that `make install` brings, or one in PATH.

    One that is named must be there: another is not taken in its stead. Raises CheckError.
    """
    named = chosen or (Path(environment[VARIABLE]) if environment.get(VARIABLE) else None)
    if named is not None:
        if not _runs(named):
            raise CheckError(f"{named} is no program.", f"Name an Envoy by --envoy or {VARIABLE}.")
        return named.absolute()
    installed = (prefix or Path(sys.prefix)) / "envoy" / "bin" / "envoy"
    if _runs(installed):
        return installed
    in_path = shutil.which("envoy", path=environment.get("PATH", ""))
    if in_path:
        return Path(in_path).absolute()
    raise CheckError(
        f"There is no Envoy: neither {installed} nor a program named envoy in PATH.",
        f"`make install` brings one; or name yours by --envoy or {VARIABLE}.",
    )


def _runs(file: Path) -> bool:
    return file.is_file() and os.access(file, os.X_OK)
