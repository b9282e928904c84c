"""Headers and certificates: in files, which are read again when they change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from flotilla_mixer.adapters.otlp.settings import HEADER_VALUE
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.secrets import SecretError, SecretFile
from flotilla_mixer.kit.sending import SendError

SETTINGS = "settings"  # cause: a file of the handler cannot be used
Version = tuple[tuple[int, int, int] | None, ...]
Made = TypeVar("Made")


class Headers:
    """What each request has beside the protocol's own headers."""

    def __init__(self, params: Any, environment: Environment) -> None:
        """Raises SecretError, a ValueError, for files that must not be read."""
        self._fixed = dict(params.headers)
        self._files: Mapping[str, tuple[str, SecretFile]] = {
            name: (each.prefix, environment.secret(each.file)) for name, each in params.header_files.items()
        }

    def read(self) -> dict[str, str]:
        """Raises SendError where a file cannot be read or holds what no header can; it never shows what that is."""
        found = dict(self._fixed)
        for name, (prefix, file) in self._files.items():
            try:
                value = prefix + file.read()
            except SecretError as error:
                raise SendError(str(error), cause=SETTINGS, retry=True) from error
            if not HEADER_VALUE.match(value):
                raise SendError(
                    f"the secret {file.path} must be one line of ASCII to be a header", cause=SETTINGS, retry=True
                )
            found[name] = value
        return found


class Certificates(NamedTuple):
    """Files of TLS; empty: the system's authorities, the endpoint's name, no certificate of one's own."""

    ca_file: str
    server_name: str
    certificate_file: str
    key_file: str

    @classmethod
    def of(cls, params: Any, environment: Environment) -> Certificates:
        """Raises SecretError, a ValueError, for a key that must not be read."""
        tls = params.tls
        key_file = str(environment.secret(tls.key_file).path) if tls.key_file else ""
        return cls(tls.ca_file, tls.server_name, tls.certificate_file, key_file)

    def version(self) -> Version:
        """Differs when a file has changed."""
        return tuple(_seen(name) for name in (self.ca_file, self.certificate_file, self.key_file) if name)

    def content(self, name: str) -> bytes | None:
        """Of one of the files; None where there is no name. Raises SendError."""
        try:
            return Path(name).read_bytes() if name else None
        except OSError as error:
            text = f"the file {name} cannot be read: {error.strerror or error}"
            raise SendError(text, cause=SETTINGS, retry=True) from error


def _seen(name: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(name)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class _Use(Generic[Made]):
    def __init__(self, made: Made, version: Version) -> None:
        self.made = made
        self.version = version
        self.users = 0


class Renewed(Generic[Made]):
    """One channel or client at a time, made anew when files of its credentials change; an old one is closed when nobody uses
    it any more.
    """

    def __init__(
        self, certificates: Certificates, make: Callable[[], Awaitable[Made]], close: Callable[[Made], Awaitable[None]]
    ) -> None:
        """`make` may raise SendError."""
        self._certificates = certificates
        self._make = make
        self._close = close
        self._present: _Use[Made] | None = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Made]:
        async with self._making:
            version = self._certificates.version()
            if self._present is None or self._present.version != version:
                await self._replace(_Use(await self._make(), version))
            present = self._present
            assert present is not None
            present.users += 1
        try:
            yield present.made
        finally:
            present.users -= 1
            if present is not self._present and not present.users:
                await self._close(present.made)

    async def _replace(self, new: _Use[Made] | None) -> None:
        old, self._present = self._present, new
        if old is not None and not old.users:
            await self._close(old.made)

    async def close(self) -> None:
        """Safe twice; nobody uses it any more."""
        await self._replace(None)
