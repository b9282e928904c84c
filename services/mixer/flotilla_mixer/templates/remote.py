"""Templates of adapters out of process: what their descriptors say, as a template like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from flotilla_mixer.templates.descriptors import DescriptorError, Messages, texts_are_text
from flotilla_mixer.templates.template import Template, Variety
from flotilla_mixer.templates.wire import FLOAT_TYPES, INT_TYPES
from flotilla_protos.istio.mixer.adapter.model.v1beta1 import extensions_pb2
from flotilla_shared.model.expressions import ValueType

POLICY = "istio.policy.v1beta1."
VALUE = f"{POLICY}Value"
WRAPPERS: Mapping[str, ValueType] = {
    f"{POLICY}IPAddress": ValueType.IP_ADDRESS,
    f"{POLICY}TimeStamp": ValueType.TIMESTAMP,
    f"{POLICY}Duration": ValueType.DURATION,
    f"{POLICY}DNSName": ValueType.DNS_NAME,
    f"{POLICY}EmailAddress": ValueType.EMAIL_ADDRESS,
    f"{POLICY}Uri": ValueType.URI,
    f"{POLICY}StringMap": ValueType.STRING_MAP,
}
MOMENTS = {"google.protobuf.Timestamp": ValueType.TIMESTAMP, "google.protobuf.Duration": ValueType.DURATION}
SERVICE_PREFIX = "Handle"
_VARIETIES: Mapping[int, Variety] = {
    extensions_pb2.TEMPLATE_VARIETY_CHECK: Variety.CHECK,
    extensions_pb2.TEMPLATE_VARIETY_CHECK_WITH_OUTPUT: Variety.CHECK,
    extensions_pb2.TEMPLATE_VARIETY_REPORT: Variety.REPORT,
    extensions_pb2.TEMPLATE_VARIETY_QUOTA: Variety.QUOTA,
    extensions_pb2.TEMPLATE_VARIETY_ATTRIBUTE_GENERATOR: Variety.ATTRIBUTE_GENERATOR,
}


@dataclass(frozen=True, slots=True)
class Method:
    """What is called for a template: `/package.Service/Method`, with the names of its messages."""

    path: str
    request: str
    response: str


@dataclass(frozen=True, slots=True, eq=False)
class RemoteTemplate(Template):
    """A template by its descriptor. A row of an instance is the one value `(bytes of its InstanceMsg,)`.

    `name` is the object's full name and `version` its version; `short` is the name in the descriptor. `method` is
    None, and `missing` says what is not there, when nothing can be called: such a template can be named, and no
    handler of it is built.
    """

    short: str = ""
    version: str = ""
    messages: Messages = field(default_factory=lambda: Messages(()))
    instance: str = ""
    output: str = ""
    method: Method | None = None
    missing: str = ""


def remote_template(name: str, found: FileDescriptorSet, version: str = "") -> RemoteTemplate:
    """The template of a set (mixer.md 6.2). `version` is that of its object. Raises DescriptorError."""
    with texts_are_text():
        return _remote_template(name, found, version)


def _remote_template(name: str, found: FileDescriptorSet, version: str) -> RemoteTemplate:
    file = _template_file(found)
    option: Any = file.options.Extensions
    short: str = option[extensions_pb2.template_name]
    if not (short.isascii() and short.isalpha()):
        raise DescriptorError(f"its option template_name is {short!r}, and must be one or more letters a-z and A-Z")
    number: int = option[extensions_pb2.template_variety]
    if number not in _VARIETIES:
        raise DescriptorError(f"its option template_variety is {number}, and Istio 1.4 has those from 0 to 4")
    variety, messages, prefix = _VARIETIES[number], Messages(found.file), f"{file.package}." if file.package else ""
    has_output = number in (
        extensions_pb2.TEMPLATE_VARIETY_CHECK_WITH_OUTPUT,
        extensions_pb2.TEMPLATE_VARIETY_ATTRIBUTE_GENERATOR,
    )
    instance, output = f"{prefix}InstanceMsg", f"{prefix}OutputMsg" if has_output else ""
    method, missing = _method(file), _missing(messages, instance, output)
    if messages.message(instance) is not None:
        messages.class_of(instance)  # whole, and put together as protobuf demands it
    if method is None and not missing:
        missing = f"a service whose name begins with {SERVICE_PREFIX} and that has a method"
    return RemoteTemplate(
        name,
        variety,
        outputs=output_types(messages, output) if has_output else {},
        short=short,
        version=version,
        messages=messages,
        instance=instance,
        output=output,
        method=None if missing else method,
        missing=missing,
    )


def _template_file(found: FileDescriptorSet) -> FileDescriptorProto:
    variety: Any = extensions_pb2.template_variety
    marked = [file for file in found.file if file.options.HasExtension(variety)]
    if len(marked) != 1:
        names = ", ".join(file.name for file in marked) or "none"
        raise DescriptorError(f"exactly one file must have the option template_variety, and here it is: {names}")
    return marked[0]


def _missing(messages: Messages, instance: str, output: str) -> str:
    return ", ".join(f"the message {each}" for each in (instance, output) if each and messages.message(each) is None)


def _method(file: FileDescriptorProto) -> Method | None:
    """The first method of the first service whose name begins with Handle."""
    for service in file.service:
        if service.name.startswith(SERVICE_PREFIX) and service.method:
            method, package = service.method[0], f"{file.package}." if file.package else ""
            return Method(
                f"/{package}{service.name}/{method.name}",
                method.input_type.removeprefix("."),
                method.output_type.removeprefix("."),
            )
    return None


def output_types(messages: Messages, name: str) -> dict[str, ValueType]:
    """The fields of an OutputMsg that have a type of the expression language."""
    found = messages.message(name)
    fields: Iterable[Field] = found.field if found is not None else ()
    types = {field.name: output_type(messages, field) for field in fields}
    return {name: kind for name, kind in types.items() if kind is not None}


def output_type(messages: Messages, field: Field) -> ValueType | None:
    """The type of one field, or None."""
    if field.type == Field.TYPE_MESSAGE:
        name = field.type_name.removeprefix(".")
        if field.label == Field.LABEL_REPEATED:
            return ValueType.STRING_MAP if is_text_map(messages, name) else None
        return WRAPPERS.get(name) or MOMENTS.get(name)
    if field.label == Field.LABEL_REPEATED:
        return None
    if field.type in INT_TYPES:
        return ValueType.INT64
    if field.type in FLOAT_TYPES:
        return ValueType.DOUBLE
    return {Field.TYPE_STRING: ValueType.STRING, Field.TYPE_BOOL: ValueType.BOOL}.get(field.type)


def is_text_map(messages: Messages, name: str) -> bool:
    """Whether the entries of a field make a map of texts."""
    entry = messages.message(name)
    return entry is not None and entry.options.map_entry and all(each.type == Field.TYPE_STRING for each in entry.field)
