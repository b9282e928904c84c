"""Programs from npm that tests run: installed once into a folder of the user's cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def npm_package(package: str, name: str, cache: str, variable: str) -> Path:
    """The folder of a package (`statsd@0.9.0`, whose name is `statsd`), or what the environment's `variable` names.

    npm installs it into ~/.cache/flotilla-<cache> at the first call. Without npm the test is skipped, and in CI fails.
    """
    if named := os.environ.get(variable):
        return Path(named)
    missing = f"there is no {name}: install node and npm, or name its folder by {variable}"
    if not (shutil.which("node") and shutil.which("npm")):
        _missing(missing)
    folder = Path.home() / ".cache" / f"flotilla-{cache}"
    found = folder / "node_modules" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not found.exists():
            npm = ["npm", "install", "--no-audit", "--no-fund", "--omit=optional", "--prefix", str(folder), package]
            done = subprocess.run(npm, capture_output=True, text=True)  # noqa: S603
            if done.returncode:
                _missing(f"{missing}: {done.stderr.strip()[-300:]}")
    return found


def _missing(said: str) -> NoReturn:
    """In CI nothing is skipped for lack of a tool."""
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)
