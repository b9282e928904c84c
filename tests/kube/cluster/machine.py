"""What a machine must have to hold a cluster."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.kube.cluster.binaries import missing_binaries
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import NotPossible
from tests.kube.cluster.report import Report
from tests.kube.cluster.worker import CNI_PROGRAMS

# Program -> the Debian package that brings it.
PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    f"{CNI_PROGRAMS}/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "socat": "socat",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "sysctl": "procps",
}


def missing_packages() -> list[str]:
    return sorted({package for program, package in PROGRAMS.items() if not _there(program)})


def why_not() -> str:
    """Why this machine cannot hold a cluster and what would help; nothing if it can. Changes nothing."""
    if not Path("/proc/self/ns").exists():
        return "a cluster needs Linux"
    if os.geteuid() != 0:
        return "a cluster needs root: it makes namespaces, cgroups and mounts of its own"
    if missing := missing_packages():
        return f"a cluster needs Debian packages that are missing: apt-get install -y --no-install-recommends {' '.join(missing)}"
    if missing_binaries() and not shutil.which("go"):
        return "a cluster needs Go 1.26 or newer to build Kubernetes, and there is none in PATH"
    return ""


def require(report: Report) -> None:
    """Raises NotPossible with what to do. A CI machine (CI=true) gets missing packages installed instead."""
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        install_packages(report)
    if why := why_not():
        raise NotPossible(why)


def install_packages(report: Report) -> None:
    """Installs what is missing by apt-get. Raises ClusterError if that fails."""
    missing = missing_packages()
    if not missing:
        return
    with report.step(f"install {len(missing)} packages"):
        for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
            call(["apt-get", *command], f"apt-get {command[0]}", environment={"DEBIAN_FRONTEND": "noninteractive"})


def _there(program: str) -> bool:
    return Path(program).exists() if "/" in program else shutil.which(program) is not None
