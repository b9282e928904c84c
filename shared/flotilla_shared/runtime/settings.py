"""Settings of a service: typed, documented, from a YAML file and the environment.

What counts, strongest first: a variable `FLOTILLA_<SERVICE>_<FIELD>`, the file, the default. A key or variable
that no field has is an error, and so is a value of the wrong type.
"""

from __future__ import annotations

import difflib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from flotilla_shared.runtime.logs import LogFormat

S = TypeVar("S", bound="ProcessSettings")
REVISION_LABEL, DEFAULT_REVISION = "istio.io/rev", "default"
Platform = Literal["machine", "kubernetes"]


class SettingsError(ValueError):
    """The settings cannot be used; one sentence names the key and what would be right."""


class ProcessSettings(BaseSettings):
    """What every process can be told: how it logs."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")
    log_format: LogFormat = Field("json", description="json or console")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment beats what the file says (which is given as arguments)."""
        return env_settings, init_settings


class ServiceSettings(ProcessSettings):
    """What every service can be told. A service's own class adds its fields, each with a default and a description."""

    address: str = Field("127.0.0.1", description="address that the service's ports bind to")
    monitoring_port: int = Field(15014, ge=0, le=65535, description="/metrics /healthz /readyz /version")
    introspection_port: int = Field(9876, ge=0, le=65535, description="pages about the inside")
    introspection_address: str = Field(
        "", description="loopback address of the introspection pages; empty: address if it is loopback, else 127.0.0.1"
    )
    trust_domain: str = Field("cluster.local", description="trust domain of the mesh's identities")
    root_namespace: str = Field("istio-system", description="namespace of the control plane")
    citadel_address: str = Field("127.0.0.13:8060", description="host:port where certificates are signed")
    root_cert_file: Path = Field(Path("root-cert.pem"), description="the mesh's root certificate, read at every use")
    token_file: Path = Field(Path("token"), description="JWT that says who this service is, read at every use")
    service_account: str = Field("", description="service account of this service; empty: the standard one")
    certificate_ttl_seconds: int = Field(86400, gt=0, description="life asked for the service's own certificate")
    platform: Platform = Field(
        "machine", description="machine or kubernetes: where configuration and workloads are found"
    )
    kubeconfig: Path | None = Field(
        None, description="kubeconfig file, on platform kubernetes; none: the pod's own service account"
    )
    pod_name: str = Field("", description="name of this pod, on platform kubernetes; empty: the host's name")
    pod_namespace: str = Field("", description="namespace of this pod; empty: root_namespace")
    revision: str = Field("", description="revision of this control plane; empty: the default one")

    @property
    def loopback_address(self) -> str:
        """Where introspection listens: never anywhere but on loopback."""
        given = self.introspection_address or self.address
        return given if given.startswith("127.") or given == "::1" else "127.0.0.1"

    @property
    def own_namespace(self) -> str:
        """The namespace that this service runs in."""
        return self.pod_namespace or self.root_namespace

    @property
    def own_name(self) -> str:
        """What tells this process from its replicas."""
        return self.pod_name or socket.gethostname()

    def revised(self, name: str) -> str:
        """`name`, with the revision behind it where this is not the default one: for objects that each revision has."""
        return f"{name}-{self.revision}" if self.revision else name

    def concerns(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is for this revision: those without the label are for every one."""
        return labels.get(REVISION_LABEL, "") in ("", self.revision or DEFAULT_REVISION)


def env_prefix(service: str) -> str:
    return f"FLOTILLA_{service.upper()}_"


def load_settings(
    cls: type[S], service: str, file: Path | None = None, given: Mapping[str, Any] = MappingProxyType({})
) -> S:
    """The settings of a service; `given` are values that the file and the environment beat. Blocking; raises
    SettingsError.
    """
    content = {**given, **(read_settings_file(file) if file is not None else {})}
    where = str(file) if file is not None else "settings"
    _refuse_unknown(where, content, cls)
    prefix = env_prefix(service)
    named = {name[len(prefix) :].lower() for name in os.environ if name.startswith(prefix)}
    _refuse_unknown("the environment", dict.fromkeys(named), cls, prefix)
    try:
        return cls(_env_prefix=prefix, **content)  # type: ignore[call-arg]  # an argument of pydantic-settings itself
    except ValidationError as error:
        raise SettingsError(_sentence(where, error)) from error
    except SourceError as error:
        raise SettingsError(f"the environment: {error}") from error


def read_settings_file(file: Path) -> dict[str, Any]:
    """The keys of a YAML file; raises SettingsError."""
    try:
        content = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)  # the safe one
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{file} holds a {type(content).__name__} where key: value pairs must stand")
    return {str(key): value for key, value in content.items()}


def _refuse_unknown(where: str, keys: Mapping[str, Any], cls: type[ProcessSettings], prefix: str = "") -> None:
    for key in keys:
        if key not in cls.model_fields:
            near = difflib.get_close_matches(key, cls.model_fields, 1)
            shown, hint = _shown(key, prefix), f", did you mean {_shown(near[0], prefix)}?" if near else ""
            raise SettingsError(f"{where}: there is no setting {shown}{hint}")


def _shown(key: str, prefix: str) -> str:
    return f"{prefix}{key.upper()}" if prefix else key


def _sentence(where: str, error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {field}: {message}" if field else f"{where}: {message}"


def describe(settings: ProcessSettings) -> dict[str, Any]:
    """The effective values as plain data; secrets are masked by their type (`SecretStr`)."""
    return settings.model_dump(mode="json")


def document(cls: type[ProcessSettings]) -> list[tuple[str, str, str]]:
    """(key, default, description) of every setting, for print-config and the READMEs."""
    return [
        (
            name,
            "" if field.is_required() else str(field.get_default(call_default_factory=True)),
            field.description or "",
        )
        for name, field in cls.model_fields.items()
    ]
