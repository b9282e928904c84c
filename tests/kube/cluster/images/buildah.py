"""buildah, with a store of its own in the cache, and the base image that it starts from: Debian, with Python and iptables."""

from __future__ import annotations

from pathlib import Path

from tests.kube.cluster.cache import cache_folder, key_of, only_one
from tests.kube.cluster.call import call
from tests.kube.cluster.images.catalogue import PREFIX
from tests.kube.cluster.report import Report

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "iptables", "iproute2", "curl", "ca-certificates")
_LEFT_OUT = ("doc", "man", "locale", "info")
_OPTIONS = (
    "--variant=minbase",
    f"--include={','.join(PACKAGES)}",
    '--aptopt=APT::Install-Recommends "false"',
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _LEFT_OUT),
)
# Where a Debian machine of the same suite says where its packages come from.
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def buildah(*arguments: str) -> str:
    """Its output. Raises ClusterError with its last lines."""
    store = cache_folder() / "buildah"
    command = ["buildah", "--root", str(store / "root"), "--runroot", str(store / "run"), "--storage-driver", "overlay"]
    return call([*command, *arguments], f"buildah {arguments[0]}")


def base_reference() -> str:
    return f"{PREFIX}/base:{key_of((), SUITE, *_OPTIONS)}"


def make_base(report: Report) -> str:
    """The base image's name. Making it the first time fetches Debian packages."""
    reference = base_reference()
    with only_one(cache_folder() / "base.lock"):
        if not buildah("images", "--quiet", "--filter", f"reference={reference}").strip():
            _make_base(reference, report)
    return reference


def _make_base(reference: str, report: Report) -> None:
    with report.step("make the base image"):
        archive = cache_folder() / "base.tar"
        call(["mmdebstrap", *_OPTIONS, SUITE, str(archive), *_mirror()], "mmdebstrap")
        container = buildah("from", "scratch").strip()
        buildah("add", "--quiet", container, str(archive), "/")
        buildah("commit", "--quiet", "--rm", container, reference)
        archive.unlink()


def _mirror() -> list[str]:
    """This machine's own, if it runs the same suite; else mmdebstrap's default."""
    return [str(file) for file in _SOURCES if file.exists() and SUITE in file.read_text()][:1]
