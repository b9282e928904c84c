"""`kind: template` and `kind: adapter`: what there is out of process (mixer.md 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.configuration.names import TEMPLATE, by_full_name, full_name, resolve
from flotilla_mixer.templates.descriptors import DescriptorError, Messages, read_descriptors, texts_are_text
from flotilla_mixer.templates.remote import RemoteTemplate, remote_template
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

PARAMS = "Params"


@dataclass(frozen=True, slots=True, eq=False)
class AdapterInfo:
    """An adapter out of process. `params` is the class of its parameters, None if it takes none.

    `templates` are full names. A session-based adapter is told its parameters once, by a session.
    """

    name: str
    templates: Mapping[str, RemoteTemplate]
    params: type[Message] | None
    session_based: bool


@dataclass(frozen=True, slots=True, eq=False)
class RemoteObjects:
    """All templates and adapters that are objects and can be used."""

    templates: Mapping[ObjectKey, RemoteTemplate] = field(default_factory=dict)
    adapters: Mapping[ObjectKey, AdapterInfo] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        templates: Mapping[ObjectKey, ConfigObject],
        adapters: Mapping[ObjectKey, ConfigObject],
        problems: ProblemLog,
        memory: Memory,
    ) -> RemoteObjects:
        """Those of two collections; what is wrong with one is told, and the others stay."""
        found = {key: read_template(templates[key], problems, memory) for key in sorted(templates)}
        usable = {key: each for key, each in found.items() if each is not None}
        known = {key: read_adapter(adapters[key], usable, problems, memory) for key in sorted(adapters)}
        return cls(usable, {key: each for key, each in known.items() if each is not None})


def read_template(item: ConfigObject, problems: ProblemLog, memory: Memory) -> RemoteTemplate | None:
    """The template of an object, or None, which is told. One of which nothing can be called yet is told as well."""
    place = (item.key, item.version)
    try:
        found: RemoteTemplate = memory.get(place) or memory.put(place, _template(item))
    except DescriptorError as error:
        problems.error(item.key, "bad-descriptor", "spec.descriptor", f"the template cannot be used: {error}.")
        return None
    if found.missing:
        text = f"nothing can be called for this template: its descriptor lacks {found.missing}."
        problems.warning(item.key, "not-callable", "spec.descriptor", text)
    return found


def _template(item: ConfigObject) -> RemoteTemplate:
    """Raises DescriptorError."""
    descriptors = read_descriptors(_text(_content(item), "descriptor"))
    return remote_template(full_name(item.key), descriptors, item.version)


def read_adapter(
    item: ConfigObject, templates: Mapping[ObjectKey, RemoteTemplate], problems: ProblemLog, memory: Memory
) -> AdapterInfo | None:
    """The adapter of an object. One with a template that is not there is not recorded."""
    content = _content(item)
    found: dict[str, RemoteTemplate] = {}
    names = by_full_name(templates)
    named = content.get("templates") or []
    for number, reference in enumerate(named if isinstance(named, list) else [named]):
        key = resolve(names, TEMPLATE, str(reference), item.key.namespace)
        if key is None:
            text = f"there is no template {reference!r} that works; the adapter is left out."
            problems.error(item.key, "unknown-template", f"spec.templates[{number}]", text)
            return None
        found[full_name(key)] = templates[key]
    try:
        place = (item.key, item.version)
        params = memory.get(place) or memory.put(place, _params(_text(content, "config")))
    except DescriptorError as error:
        problems.error(item.key, "bad-descriptor", "spec.config", f"the adapter cannot be used: {error}.")
        return None
    session = content.get("sessionBased", content.get("session_based", False))
    return AdapterInfo(full_name(item.key), found, params, session is True)


def _params(text: str) -> type[Message] | None:
    """The class of the message Params, which the last file of the set has that has one."""
    if not text.strip():
        return None
    found = read_descriptors(text)
    for file in reversed(found.file):
        if any(message.name == PARAMS for message in file.message_type):
            with texts_are_text():
                return Messages(found.file).class_of(f"{file.package}.{PARAMS}" if file.package else PARAMS)
    raise DescriptorError(f"its descriptor has no message {PARAMS}")


def _content(item: ConfigObject) -> dict[str, Any]:
    """The object's fields by their names; its message is a Struct."""
    content: dict[str, Any] = MessageToDict(item.spec)
    return content


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name, "")
    return value if isinstance(value, str) else ""
