"""Runs pod_in_namespace.py where it can have a pod's network and ports to itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INNER = Path(__file__).with_name("pod_in_namespace.py")
ROOT = Path(__file__).parents[2]
LEAST = 7


def opened(program: Path) -> str:
    """Shell words that open, in this mount namespace, a folder above the program that is closed to user 1337."""
    for folder in reversed(program.parents):
        if not folder.stat().st_mode & 0o001:
            inside = folder / program.relative_to(folder).parts[0]
            return (
                f"mkdir /run/moved && mount --bind {inside} /run/moved && mount -t tmpfs -o mode=755 tmpfs {folder} && "
                f"mkdir {inside} && mount --bind /run/moved {inside} && "
            )
    return ""


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_the_agent_of_a_pod(envoy: Path) -> None:
    missing = [each for each in ("unshare", "ip", "iptables-restore", "setpriv") if shutil.which(each) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in PATH: apt-get install iptables iproute2 util-linux")
    if os.geteuid() != 0:
        pytest.skip("network namespaces and user 1337 need root")
    pytest_command = f"{sys.executable} -m pytest -q -n 0 -p no:cacheprovider --timeout 60 {INNER}"
    script = f"mount -t tmpfs tmpfs /run && {opened(Path(sys.executable).resolve())} exec {pytest_command}"
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=140
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= LEAST
