"""What says how to inject: the two keys of ConfigMap `istio-sidecar-injector`, and the mesh's proxy configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from flotilla_pilot.injection.document import Json, at, listing, mapping, texts
from flotilla_pilot.injection.errors import InjectionRefused

POLICIES = ("enabled", "disabled")
SIDECAR, GATEWAY, GRPC = "sidecar", "gateway", "grpc-agent"
TEMPLATES = (SIDECAR, GATEWAY, GRPC)
DEFAULT_VALUES: Json = {
    "global": {
        "hub": "localhost/flotilla",
        "tag": "latest",
        "istioNamespace": "istio-system",
        "logging": {"level": "default:info"},
        "multiCluster": {"clusterName": ""},
        "proxy": {
            "clusterDomain": "cluster.local",
            "componentLogLevel": "misc:error",
            "image": "proxy",
            "includeIPRanges": "*",
            "includeInboundPorts": "*",
            "logLevel": "warning",
            "readinessFailureThreshold": 4,
            "readinessInitialDelaySeconds": 0,
            "readinessPeriodSeconds": 15,
            "resources": {
                "limits": {"cpu": "2000m", "memory": "1024Mi"},
                "requests": {"cpu": "100m", "memory": "128Mi"},
            },
            "startupProbe": {"enabled": True, "failureThreshold": 600},
            "statusPort": 15020,
        },
        "proxy_init": {},
    },
    "sidecarInjectorWebhook": {"rewriteAppHTTPProbe": True},
}


@dataclass(frozen=True, slots=True)
class InjectionConfig:
    """Key `config`."""

    policy: str = "enabled"
    never: tuple[Json, ...] = ()
    always: tuple[Json, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)
    default_templates: tuple[str, ...] = (SIDECAR,)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InjectionValues:
    """Key `values`, under Istio's paths, with defaults below."""

    content: Json

    def get(self, *path: str) -> Any:
        """What is given, even if it is null; else the default; else None. A missing key and a null one differ."""
        found: Any = self.content
        for part in path:
            if not isinstance(found, dict) or part not in found:
                return at(DEFAULT_VALUES, *path)
            found = found[part]
        return found

    def text(self, *path: str) -> str:
        """As text; empty for nothing."""
        found = self.get(*path)
        return "" if found is None else str(found)

    def truth(self, *path: str) -> bool:
        return bool(self.get(*path))


def read_config(text: str) -> InjectionConfig:
    """Raises InjectionRefused, naming the key."""
    content = _read("config", text)
    policy = str(content.get("policy") or "enabled")
    if policy not in POLICIES:
        raise InjectionRefused(f"config: policy is {policy!r}: it must be {' or '.join(POLICIES)}")
    _refuse_templates(content)
    aliases = {str(name): _names(value) for name, value in mapping(content.get("aliases")).items()}
    defaults = _names(content.get("defaultTemplates")) or (SIDECAR,)
    config = InjectionConfig(
        policy=policy,
        never=tuple(listing(content.get("neverInjectSelector"))),
        always=tuple(listing(content.get("alwaysInjectSelector"))),
        annotations=texts(content.get("injectedAnnotations")),
        default_templates=defaults,
        aliases=aliases,
    )
    choose_templates(config, ",".join(defaults), "config: defaultTemplates")
    return config


def _refuse_templates(content: Json) -> None:
    foreign = [name for name in mapping(content.get("templates")) if name not in TEMPLATES]
    if foreign:
        raise InjectionRefused(
            f"config: there is no template {foreign[0]}: Flotilla has {', '.join(TEMPLATES)}, made in code, and does not "
            "interpret templates"
        )


def read_values(text: str) -> InjectionValues:
    """JSON or YAML. Raises InjectionRefused."""
    return InjectionValues(_read("values", text))


def _read(key: str, text: str) -> Json:
    try:
        content = yaml.load(text or "{}", Loader=yaml.CSafeLoader)  # the safe one
    except yaml.YAMLError as error:
        raise InjectionRefused(f"{key}: it is not YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InjectionRefused(f"{key}: it holds a {type(content).__name__} where key: value pairs must stand")
    return content


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def choose_templates(config: InjectionConfig, wanted: str, where: str) -> tuple[str, ...]:
    """The templates that a list of names means, each once, in order. Raises InjectionRefused, naming `where`."""
    names = [word.strip() for word in wanted.split(",") if word.strip()] or list(config.default_templates)
    chosen: list[str] = []
    for name in names:
        for each in config.aliases.get(name, (name,)):
            if each not in TEMPLATES:
                known = ", ".join([*TEMPLATES, *config.aliases])
                raise InjectionRefused(f"{where} names the template {each!r}: it must be one of {known}")
            chosen.append(each)
    return tuple(dict.fromkeys(chosen))
