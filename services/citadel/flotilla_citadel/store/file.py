"""The root in a folder, for a mesh on one machine (docs/adr/0021).

    <store_dir>/istio-ca-secret/ca-cert.pem     the certificate
    <store_dir>/istio-ca-secret/ca-key.pem      the private key, mode 0600

The names are those of Istio's Secret. The pair is written to a folder beside it which is then renamed: a
rename onto a folder that is not empty fails, so the pair appears whole or not at all, and only the first of
several writers wins.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

from flotilla_citadel.ca.root import RootPem
from flotilla_citadel.errors import StartRefused

FOLDER = "istio-ca-secret"
CERTIFICATE = "ca-cert.pem"
KEY = "ca-key.pem"
MAX_FILE_BYTES = 64 * 1024


class FileStore:
    """A RootStore in `directory` (created, 0700, when the root is). Blocking: for the start only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / FOLDER
        self.place = str(self._folder)

    def load(self) -> RootPem | None:
        """The pair, None if neither file is there. StartRefused: half a pair, unreadable, or a key others can
        read.
        """
        key = _read(self._folder / KEY, private=True)
        certificate = _read(self._folder / CERTIFICATE)
        if key is None and certificate is None:
            return None
        if key is None or certificate is None:
            missing = KEY if key is None else CERTIFICATE
            raise StartRefused(
                f"{self._folder}: {missing} is missing and its other half is there: put it back, "
                "or move both away to begin a new mesh with a new root"
            )
        return RootPem(key, certificate)

    def create(self, pem: RootPem) -> bool:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=self._directory))  # mkdtemp makes it 0700
            try:
                _write(fresh / KEY, pem.key, 0o600)
                _write(fresh / CERTIFICATE, pem.certificate, 0o644)
                _sync_folder(fresh)
                return self._place(fresh)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        except OSError as error:
            raise StartRefused(
                f"{self._directory}: the root cannot be stored: {error.strerror}: name another folder with store_dir"
            ) from error

    def _place(self, fresh: Path) -> bool:
        try:
            fresh.rename(self._folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        _sync_folder(self._directory)
        return True


def _read(path: Path, *, private: bool = False) -> bytes | None:
    """The file's bytes, None if it is not there. `private`: nobody but the owner may have any right on it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if private and mode & 0o077:
                raise StartRefused(
                    f"{path}: the private key can be used by others than its owner (mode {mode:04o}): "
                    f"chmod 600 {path}, and if others had access to this machine, begin with a new root"
                )
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartRefused(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise StartRefused(f"{path}: longer than {MAX_FILE_BYTES} bytes, this is no PEM file of Citadel")
    return data


def _write(path: Path, data: bytes, mode: int) -> None:
    """A new file on the disk, with its mode from the first moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
