"""The run folder: where a running mesh keeps its sockets, tokens, settings and logs. 0700, and short.

supervisor.sock  agent.sock  root-cert.pem  jwks.json  access.yaml  tokens/  citadel/  last-good/
<service>.yaml  <service>.log  <workload>.log  <workload>/{sds.sock,envoy.log,bootstrap.json}
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flotilla_cli.errors import CheckError

VARIABLE = "FLOTILLA_RUN"
SOCKET_PATH_LIMIT = 107  # bytes; the kernel's sun_path without its end
LEFT_BEHIND = "supervisor.log"


def default_run_dir(environment: Mapping[str, str]) -> Path:
    """$FLOTILLA_RUN, else $XDG_RUNTIME_DIR/flotilla, else /tmp/flotilla-<uid>."""
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / "flotilla"
    return Path(tempfile.gettempdir()) / f"flotilla-{os.getuid()}"


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def control_socket(self) -> Path:
        return self.path / "supervisor.sock"

    @property
    def agent_socket(self) -> Path:
        return self.path / "agent.sock"

    @property
    def root_cert(self) -> Path:
        return self.path / "root-cert.pem"

    @property
    def jwks(self) -> Path:
        return self.path / "jwks.json"

    @property
    def access(self) -> Path:
        return self.path / "access.yaml"

    @property
    def last_good(self) -> Path:
        return self.path / "last-good"

    @property
    def store(self) -> Path:
        return self.path / "citadel"

    def token(self, name: str) -> Path:
        return self.path / "tokens" / name

    def settings(self, service: str) -> Path:
        return self.path / f"{service}.yaml"

    def log(self, name: str) -> Path:
        return self.path / f"{name}.log"

    def envoy_log(self, workload: str) -> Path:
        return self.path / workload / "envoy.log"


def check_length(path: Path, workloads: Iterable[str]) -> None:
    """Raises CheckError if a Unix socket in the folder would have a longer name than the kernel takes."""
    names = ["supervisor.sock", *(f"{workload}/sds.sock" for workload in workloads)]
    longest = max((os.fsencode(path / name) for name in names), key=len)
    if len(longest) > SOCKET_PATH_LIMIT:
        raise CheckError(
            f"The run folder's name is too long: {os.fsdecode(longest)} has {len(longest)} bytes, and a Unix "
            f"socket's name may have {SOCKET_PATH_LIMIT}.",
            f"Choose a shorter one by --run-dir or {VARIABLE}.",
        )


def prepare(path: Path) -> RunFolder:
    """An empty run folder of this user, 0700. What an earlier mesh left in it is removed.

    Raises CheckError for a path that is something else, or somebody else's: in /tmp anybody may have made
    it. The caller has made sure that no mesh is up in it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise CheckError(
            f"The run folder {path} cannot be made: {error.strerror}.",
            f"Choose another by --run-dir or {VARIABLE}.",
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise CheckError(
            f"The run folder {path} belongs to user {found.st_uid} or is no plain folder.",
            f"Remove it, or choose another by --run-dir or {VARIABLE}.",
        )
    _check_is_ours(path)
    path.chmod(0o700)
    for entry in path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    for name in ("tokens", "citadel", "last-good"):
        (path / name).mkdir(mode=0o700)
    (path / MARK).touch()
    return RunFolder(path)


MARK = ".flotilla"


def _check_is_ours(path: Path) -> None:
    """A folder with somebody's files in it is not emptied."""
    if not (path / MARK).exists() and any(path.iterdir()):
        raise CheckError(
            f"{path} holds files that are not Flotilla's, and a run folder is emptied at every start.",
            f"Choose an empty or a new folder by --run-dir or {VARIABLE}.",
        )
