"""Backends of Bookinfo's telemetry, each a process of examples/telemetry that is spoken with in lines of JSON.

What they say is written in `telemetry_backends/__init__.py` there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from flotilla_cli.errors import PlanError

CONFIG, PROGRAMS = "config", "telemetry_backends"
INSTANCES = "instances"
ALL = "all"
NO_PROGRAMS = ("__init__", "telling")


class Backend:
    """One that runs, or that could not: then `missing` says the way to get it."""

    def __init__(self, name: str, directory: Path, mixer: str) -> None:
        self.name = name
        self.missing = ""
        self._said: Mapping[str, Any] = {}
        command = [sys.executable, "-m", f"{PROGRAMS}.{name}", "--mixer", mixer]
        self._process = subprocess.Popen(  # noqa: S603  # a program of the example's
            command,
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is the demo's: its end is theirs
        )

    def begin(self) -> None:
        """Returns when it takes entries, or cannot. Blocks."""
        self._said = self._read()
        self.missing = str(self._said.get("missing", ""))

    def calls(self) -> Counter[str]:
        """Calls that it has been told of, by called service."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError as error:
            raise LookupError(f"{self.name}'s backend has ended: {error}") from error
        return Counter(self._read())

    @property
    def params(self) -> Mapping[str, Any]:
        return dict(self._said.get("params", {}))

    @property
    def environment(self) -> Mapping[str, str]:
        return dict(self._said.get("environment", {}))

    @property
    def services(self) -> Sequence[str]:
        return list(self._said.get("services", ()))

    @property
    def page(self) -> str:
        return str(self._said.get("page", ""))

    def stop(self) -> None:
        """Returns when it has ended. Safe twice."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    def _read(self) -> Mapping[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            return {
                "missing": f"`python -m {PROGRAMS}.{self.name}` ended without a word; is `make install .venv/tested` done?"
            }
        found: Mapping[str, Any] = json.loads(line)
        return found


def chosen(text: str, directory: Path) -> list[str]:
    """The adapters that `all` or a list with commas means. Raises PlanError for one that is not there."""
    programs = {file.stem for file in (directory / PROGRAMS).glob("*.py")} - {*NO_PROGRAMS}
    known = sorted(programs & {file.stem for file in (directory / CONFIG).glob("*.yaml")})
    if text == ALL:
        return known
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise PlanError(
                f"--adapters: {name!r} is none of the example's.", f"It has: {', '.join(known)}; or say all."
            )
    return names


@contextmanager
def running(names: Sequence[str], directory: Path, mixer: str, say: Callable[[str], None]) -> Iterator[list[Backend]]:
    """Those of them that could be started; of the others it is said why not. Variables that they need are this process's."""
    started = [Backend(name, directory, mixer) for name in names]
    before = dict(os.environ)
    try:
        for each in started:
            each.begin()
            say(f"{each.name} is left out: {each.missing}" if each.missing else f"{each.name}: its backend runs")
        there = [each for each in started if not each.missing]
        for each in there:
            os.environ.update(each.environment)
        yield there
    finally:
        os.environ.clear()
        os.environ.update(before)
        for each in started:
            each.stop()


def configuration(directory: Path, backend: Backend) -> str:
    """The adapter's file, with the place of this backend in its handlers."""
    documents = list(yaml.safe_load_all((directory / CONFIG / f"{backend.name}.yaml").read_text()))
    for document in documents:
        if document["kind"] == "handler":
            document["spec"]["params"] = merged(document["spec"].get("params", {}), backend.params)
    return yaml.safe_dump_all(documents, sort_keys=False)


def merged(written: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`written` with what is `given` in its place, map by map."""
    found = dict(written)
    for name, value in given.items():
        before = found.get(name)
        found[name] = merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found
