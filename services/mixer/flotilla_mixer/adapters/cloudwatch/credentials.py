"""Who Mixer is to AWS: sessions of the SDK with the credentials of a handler. For the handler's thread: it needs boto3."""

from __future__ import annotations

import configparser
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    CredentialProvider,
    Credentials,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
)

from flotilla_mixer.adapters.cloudwatch.settings import CloudSettings
from flotilla_mixer.kit.secrets import SecretError, SecretFile

# At debug the SDK logs answers with keys in them, and as a warning a traceback of each token that it does not get: the
# handler's complaints say the latter, at a limited rate.
_logger = logging.getLogger("botocore")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False

KEY, SECRET, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"


class FileCredentials(Credentials):  # type: ignore[misc]  # botocore has no types
    """Of a file in the form of the SDK's own: each request is signed with what it holds then."""

    def __init__(self, file: SecretFile, section: str) -> None:
        super().__init__("", "", method="flotilla-secret-file")
        self._file, self._section = file, section
        self._version = -1

    def get_frozen_credentials(self) -> Any:
        """Raises SecretError."""
        text = self._file.read()
        if self._version != self._file.version:
            self.access_key, self.secret_key, self.token = _read(text, self._section, self._file.path)
            self._version = self._file.version
        return ReadOnlyCredentials(self.access_key, self.secret_key, self.token)


def _read(text: str, section: str, path: Path) -> tuple[str, str, str | None]:
    """Key, secret and token. Raises SecretError, which never repeats what is in the file."""
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
        found = parser[section]
        return found[KEY], found[SECRET], found.get(TOKEN)
    except (configparser.Error, KeyError):
        wanted = f"a section [{section}] with {KEY} and {SECRET}"
        raise SecretError(f"the secret {path} is no file of credentials with {wanted}") from None


class _Given(CredentialProvider):  # type: ignore[misc]
    """Goes before all others of the SDK's chain."""

    METHOD = "flotilla-handler"

    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def new_session(settings: CloudSettings, config: Config) -> boto3.session.Session:
    """One with the handler's credentials, or the SDK's own chain. It asks nobody yet."""
    found = _credentials(settings, config)
    core = botocore.session.Session()
    if found is not None:
        core.get_component("credential_provider").providers.insert(0, _Given(found))
        return boto3.session.Session(botocore_session=core, region_name=settings.region or None)
    profile, region = settings.profile or None, settings.region or None
    return boto3.session.Session(botocore_session=core, profile_name=profile, region_name=region)


def _credentials(settings: CloudSettings, config: Config) -> Credentials | None:
    """None for the SDK's chain."""
    source: Credentials | None = None
    if settings.secret_file is not None:
        source = FileCredentials(settings.secret_file, settings.profile or "default")
    if not settings.role_arn:
        return source
    fetcher = _fetcher(settings, config, source)
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "flotilla-role")


def _fetcher(settings: CloudSettings, config: Config, source: Credentials | None) -> Any:
    profile = settings.profile if source is None else ""
    core = botocore.session.Session(profile=profile or None)

    def create(service: str, **given: Any) -> Any:
        given["config"] = config.merge(given["config"]) if given.get("config") else config
        region, endpoint = settings.region or None, settings.sts_endpoint or None
        return core.create_client(service, region_name=region, endpoint_url=endpoint, **given)

    arguments = {"RoleSessionName": settings.role_session_name}
    if settings.token_file is not None:
        return AssumeRoleWithWebIdentityCredentialFetcher(
            create, settings.token_file.read, settings.role_arn, arguments
        )
    if settings.external_id:
        arguments["ExternalId"] = settings.external_id
    return AssumeRoleCredentialFetcher(create, source or core.get_credentials(), settings.role_arn, arguments)


def sdk_files(session: Any) -> tuple[Path, ...]:
    """The files of the SDK that a session was made of: what is in them is read once."""
    core = session._session  # botocore's, which boto3 keeps
    names = (core.get_config_variable("credentials_file"), core.get_config_variable("config_file"))
    return tuple(Path(os.path.expanduser(name)) for name in names)


def states(files: tuple[Path, ...]) -> tuple[tuple[int, int, int], ...]:
    """Age, size and number of each file: others when one was replaced."""
    return tuple(_states(files))


def _states(files: tuple[Path, ...]) -> Iterator[tuple[int, int, int]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:
            yield (0, 0, 0)
        else:
            yield (found.st_mtime_ns, found.st_size, found.st_ino)
