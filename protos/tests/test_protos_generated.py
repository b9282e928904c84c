"""`make protos` reproduces the committed code, byte for byte."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]


def generated(root: Path) -> dict[str, bytes]:
    found = [*root.rglob("*_pb2.py"), *root.rglob("*_pb2.pyi"), *root.rglob("*_pb2_grpc.py")]
    return {str(file.relative_to(root)): file.read_bytes() for file in found}


@pytest.mark.skipif(
    importlib.util.find_spec("grpc_tools") is None, reason="needs grpcio-tools: pip install grpcio-tools"
)
def test_the_committed_code_is_what_the_generator_writes(tmp_path: Path) -> None:
    shutil.copytree(HERE, tmp_path / "protos", ignore=shutil.ignore_patterns("*_pb2*", "__pycache__", "tests"))
    subprocess.run([sys.executable, str(tmp_path / "protos" / "generate.py")], check=True, timeout=50)
    fresh, committed = generated(tmp_path / "protos" / "flotilla_protos"), generated(HERE / "flotilla_protos")
    stale = sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))
    assert stale == [], "run `make protos` and commit the result"
