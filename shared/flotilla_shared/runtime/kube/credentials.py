"""Who a client says it is: a token from a file, a fixed one, or what a plug-in of a kubeconfig gives."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from flotilla_shared.runtime.kube.errors import Unreachable

EXEC_SECONDS = 30.0
# A token is asked for anew this long before it ends.
MARGIN = timedelta(seconds=30)


class TokenSource(Protocol):
    async def token(self) -> str:
        """The bearer token for the next request; empty for none. Raises Unreachable."""
        ...


class NoToken:
    async def token(self) -> str:
        return ""


class FixedToken:
    def __init__(self, value: str) -> None:
        self._value = value

    async def token(self) -> str:
        return self._value


class FileToken:
    """Read at every use: the kubelet writes a new one before the old one ends."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        try:
            return self._path.read_text().strip()
        except OSError as error:
            raise Unreachable(f"the token {self._path} cannot be read: {error.strerror}") from error


class _ExecStatus(msgspec.Struct, rename="camel"):
    token: str = ""
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct):
    status: _ExecStatus = msgspec.field(default_factory=_ExecStatus)


class ExecToken:
    """What a kubeconfig's `exec` plug-in prints (client.authentication.k8s.io), kept until shortly before it ends."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], api_version: str) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._api_version = api_version
        self._lock = asyncio.Lock()
        self._kept = ""
        self._until = datetime.min.replace(tzinfo=UTC)

    async def token(self) -> str:
        async with self._lock:
            if not self._kept or datetime.now(UTC) >= self._until:
                status = await self._run()
                ends = status.expiration_timestamp
                self._kept = status.token
                self._until = ends - MARGIN if ends else datetime.max.replace(tzinfo=UTC)
            return self._kept

    async def _run(self) -> _ExecStatus:
        asked = {"apiVersion": self._api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
        information = msgspec.json.encode(asked).decode()
        environment = {**os.environ, **self._environment, "KUBERNETES_EXEC_INFO": information}
        name = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise Unreachable(f"the kubeconfig's plug-in {name} cannot be run: {error.strerror}") from error
        try:
            output, _ = await asyncio.wait_for(process.communicate(), EXEC_SECONDS)
        except TimeoutError as error:
            raise Unreachable(f"the kubeconfig's plug-in {name} did not answer in {EXEC_SECONDS:g} seconds") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise Unreachable(f"the kubeconfig's plug-in {name} ended with code {process.returncode}")
        return _read(name, output)


def _read(name: str, output: bytes) -> _ExecStatus:
    try:
        status = msgspec.json.decode(output, type=_ExecCredential).status
    except msgspec.DecodeError as error:
        raise Unreachable(f"the kubeconfig's plug-in {name} printed no ExecCredential: {error}") from error
    if not status.token:
        raise Unreachable(
            f"the kubeconfig's plug-in {name} gave no token; client certificates of plug-ins are not taken"
        )
    return status
