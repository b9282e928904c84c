"""How calls to Google are allowed: by the platform's own chain, a service account's file, or an API key.

Files are followed: `version` grows when what is in them changed, and a channel made with an older one is to be made anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.secrets import SecretError, SecretFile
from flotilla_mixer.kit.sending import SendError

APPLICATION_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
CREDENTIALS = "credentials"
Headers = tuple[tuple[str, str], ...]


class Access:
    """None at all: for plaintext, where no credentials are ever sent."""

    def version(self) -> int:
        """Raises SendError while credentials cannot be read."""
        return 0

    async def credentials(self, scopes: Sequence[str]) -> Any:
        """google.auth's credentials for a channel, or None. Raises SendError."""
        return None

    def headers(self) -> Headers:
        """Metadata of each call. Raises SendError."""
        return ()

    async def project(self) -> str:
        """The project that the credentials are of; empty where they do not say. Raises SendError."""
        return ""


class KeyAccess(Access):
    """An API key, from the parameters or a file."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def headers(self) -> Headers:
        return (("x-goog-api-key", _told(self._read)),)


class AccountAccess(Access):
    """The file of a service account: JSON, with its private key."""

    def __init__(self, file: SecretFile) -> None:
        self._file = file

    def version(self) -> int:
        _told(self._file.read)
        return self._file.version

    async def credentials(self, scopes: Sequence[str]) -> Any:
        from google.oauth2 import service_account

        try:
            content = json.loads(_told(self._file.read))
            kind: Any = service_account.Credentials
            found = kind.from_service_account_info(content)
        except (ValueError, AttributeError, TypeError) as error:  # their texts may show what is in the file
            raise _refusal(f"{self._file.path} is no key of a service account ({type(error).__name__})") from None
        return found.with_always_use_jwt_access(True)

    async def project(self) -> str:
        return (await self.credentials(())).project_id or ""


class ApplicationAccess(Access):
    """Application default credentials: a file that the environment names, gcloud's, or the metadata server."""

    def __init__(self, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._in_thread = in_thread
        named = os.environ.get(APPLICATION_FILE, "")
        self._file = SecretFile(named) if named else None

    def version(self) -> int:
        if self._file is None:
            return 0
        _told(self._file.read)
        return self._file.version

    async def credentials(self, scopes: Sequence[str]) -> Any:
        found, _ = await self._default(scopes)
        use_jwt = getattr(found, "with_always_use_jwt_access", None)
        return use_jwt(True) if use_jwt is not None else found

    async def project(self) -> str:
        _, project = await self._default(())
        return project or ""

    async def _default(self, scopes: Sequence[str]) -> tuple[Any, str | None]:
        import google.auth
        from google.auth.exceptions import GoogleAuthError

        try:
            found: tuple[Any, str | None] = await self._in_thread(google.auth.default, default_scopes=list(scopes))
        except (GoogleAuthError, OSError, ValueError) as error:
            text = f"there are no application default credentials ({type(error).__name__})"
            raise _refusal(f"{text}: name a serviceAccountPath, or bind a service account to Mixer's") from None
        return found


def access_of(params: Any, environment: Environment) -> Access:
    """Raises SecretError, a ValueError, for a file that is not among Mixer's secrets."""
    if params.plaintext:
        return Access()
    match params.WhichOneof("creds"):
        case "api_key":
            key = params.api_key
            return KeyAccess(lambda: key)
        case "api_key_path":
            return KeyAccess(environment.secret(params.api_key_path).read)
        case "service_account_path":
            return AccountAccess(environment.secret(params.service_account_path))
        case _:
            return ApplicationAccess(environment.in_thread)


def _told(read: Callable[[], str]) -> str:
    try:
        return read()
    except SecretError as error:
        raise _refusal(str(error)) from None


def _refusal(text: str) -> SendError:
    return SendError(text, cause=CREDENTIALS, retry=True)
