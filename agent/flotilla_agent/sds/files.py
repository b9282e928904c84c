"""Certificates in files that configuration names, as Pilot compiles them: in the pod, or on the machine, of the proxy.

`file-cert:<chain>~<key>`, `file-root:<authorities>`, the same with `~<revocation list>`, and `file-root:system` for the
authorities that the system trusts.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from flotilla_agent.sds.pem import SecretRefused, check_pair
from flotilla_agent.sds.secrets import VersionedSecret, make_authority, make_pair
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

CERTIFICATE, AUTHORITIES, SYSTEM = "file-cert:", "file-root:", "file-root:system"
POLL_SECONDS = 2.0
LARGEST_BYTES = 4 * 1024 * 1024
LARGEST_NUMBER = 500
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep them, the first that is there counts; else where OpenSSL looks."""

_log = get_logger(__name__)
Seen = tuple[tuple[int, int, int], ...]


class FileSecrets:
    """ForeignSecrets in files, which are followed as they change. What is wrong with one is told once, and leaves what
    Envoy has.
    """

    def __init__(self, workload: str) -> None:
        self.problems: dict[str, str] = {}  # by Envoy's name: why it is not there, or not newer
        self._workload = workload
        self._seen: dict[str, Seen | None] = {}
        self._current: dict[str, VersionedSecret] = {}
        self._subscribers: list[Callable[[], None]] = []
        self._tasks = Tasks(f"secrets in files:{workload}")

    @property
    def current(self) -> Mapping[str, VersionedSecret]:
        return MappingProxyType(self._current)

    def serves(self, name: str) -> bool:
        return len(paths_of(name)) > 0

    def want(self, name: str) -> None:
        """Read at once, and again whenever one of its files is another."""
        if name in self._seen:
            return
        if len(self._seen) >= LARGEST_NUMBER:
            self._tell(name, f"more than {LARGEST_NUMBER} secrets in files are asked for")
            return
        self._seen[name] = None
        self._look([name])
        if not len(self._tasks):
            self._tasks.spawn(self._follow(), "files")

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self._look(list(self._seen))

    def _look(self, names: Iterable[str]) -> None:
        changed = [name for name in names if self._changed(name)]
        if changed:
            for callback in list(self._subscribers):
                callback()

    def _changed(self, name: str) -> bool:
        """Whether there is another secret of this name now."""
        try:
            seen = tuple(_stamp(each) for each in paths_of(name))
            if seen == self._seen[name]:
                return False
            made = read_secret(name)
        except (OSError, SecretRefused) as error:
            self._tell(name, str(error))
            return False
        self._seen[name] = seen
        self.problems.pop(name, None)
        before = self._current.get(name)
        self._current[name] = made
        return before is None or before.version != made.version

    def _tell(self, name: str, problem: str) -> None:
        if self.problems.get(name) != problem:
            self.problems[name] = problem
            _log.warning("a certificate in a file is not there", workload=self._workload, secret=name, problem=problem)


def paths_of(name: str) -> tuple[Path, ...]:
    """The files that a secret is made of; none for a name that is not of a file."""
    if name == SYSTEM:
        return (system_file(),)
    kind = next((each for each in (CERTIFICATE, AUTHORITIES) if name.startswith(each)), "")
    parts = name.removeprefix(kind).split("~") if kind else []
    fits = len(parts) == 2 if kind == CERTIFICATE else len(parts) in (1, 2)
    return tuple(map(Path, parts)) if fits and all(parts) and not any("\0" in each for each in parts) else ()


def system_file() -> Path:
    found = next((Path(each) for each in SYSTEM_FILES if Path(each).is_file()), None)
    return found or Path(ssl.get_default_verify_paths().openssl_cafile)


def read_secret(name: str) -> VersionedSecret:
    """Raises OSError and SecretRefused."""
    paths = paths_of(name)
    content = [_read(each) for each in paths]
    if name.startswith(CERTIFICATE):
        check_pair(f"file {paths[0]}", *content)
        return make_pair(name, *content)
    _check_authorities(paths[0], content[0])
    return make_authority(name, *content)


def _check_authorities(path: Path, pem: bytes) -> None:
    """As OpenSSL reads them: among those that systems trust are old ones that stricter readers refuse."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError) as error:
        raise SecretRefused(f"file {path} holds no certificate in PEM: {error}") from error


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise SecretRefused(f"file {path} is larger than {LARGEST_BYTES} bytes")
    return content


def _stamp(path: Path) -> tuple[int, int, int]:
    """Of the file that the path leads to: mounted Secrets are links that are turned."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
