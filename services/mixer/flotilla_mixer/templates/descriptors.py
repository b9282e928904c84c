"""Messages that others describe: a FileDescriptorSet as text, its messages by name, and Python classes of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

LONGEST_TEXT = 4 * 1024 * 1024
Field = FieldDescriptorProto


class DescriptorError(ValueError):
    """Not a description of messages that can be used; the text says why."""


def read_descriptors(text: str) -> FileDescriptorSet:
    """The set behind base64. Raises DescriptorError."""
    if len(text) > LONGEST_TEXT:
        raise DescriptorError(f"it has {len(text)} characters, and may have {LONGEST_TEXT}")
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DescriptorError(f"it is not base64: {error}") from error
    try:
        return FileDescriptorSet.FromString(content)
    except DecodeError as error:
        raise DescriptorError("it is no FileDescriptorSet, which `protoc --descriptor_set_out` writes") from error


@contextmanager
def texts_are_text() -> Generator[None]:
    """The strings of a descriptor may be any bytes: what trips over them raises DescriptorError here."""
    try:
        yield
    except (TypeError, UnicodeError) as error:
        raise DescriptorError("it holds names that are no text in UTF-8") from error


class Messages:
    """The messages and enums of a set. Names are full, without a dot in front."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._files = tuple(files)
        self._messages: dict[str, DescriptorProto] = {}
        self._enums: dict[str, EnumDescriptorProto] = {}
        for file in self._files:
            self._add(file.package, file.message_type, file.enum_type)

    def _add(self, prefix: str, messages: Iterable[DescriptorProto], enums: Iterable[EnumDescriptorProto]) -> None:
        dot = f"{prefix}." if prefix else ""
        for message in messages:
            self._messages[dot + message.name] = message
            self._add(dot + message.name, message.nested_type, message.enum_type)
        for enum in enums:
            self._enums[dot + enum.name] = enum

    def message(self, name: str) -> DescriptorProto | None:
        return self._messages.get(name.removeprefix("."))

    def enum(self, name: str) -> Mapping[str, int] | None:
        """The numbers of an enum by name."""
        found = self._enums.get(name.removeprefix("."))
        return {value.name: value.number for value in found.value} if found is not None else None

    def class_of(self, name: str) -> type[Message]:
        """The Python class of a message. Raises DescriptorError if the set does not describe it whole."""
        try:
            found: type[Message] = GetMessageClass(self._pool.FindMessageTypeByName(name.removeprefix(".")))
        except (KeyError, TypeError, UnicodeError) as error:
            raise DescriptorError(
                f"the descriptor does not describe {name.removeprefix('.')} whole: {error}"
            ) from error
        return found

    @cached_property
    def _pool(self) -> DescriptorPool:
        """Of these files alone: what one template calls metric.InstanceMsg says nothing of another's."""
        pool = DescriptorPool()
        known = {file.name for file in self._files}
        for file in self._files:
            pool.Add(_bare(file, known))
        return pool


def _bare(file: FileDescriptorProto, known: set[str]) -> FileDescriptorProto:
    """The file's messages alone: without options of others, services, and imports that are not there."""
    found = FileDescriptorProto(name=file.name, package=file.package)
    if file.syntax:  # without one a file is proto2
        found.syntax = file.syntax
    if file.HasField("edition"):
        found.edition = file.edition
    found.dependency.extend(name for name in file.dependency if name in known)
    if file.name == "google/protobuf/descriptor.proto":
        return found
    found.enum_type.extend(file.enum_type)
    for message in file.message_type:
        found.message_type.add().CopyFrom(message)
    for message in found.message_type:
        _without_extensions(message)
    return found


def _without_extensions(message: Any) -> None:
    del message.extension[:]
    for field in message.field:
        packed = field.options.packed if field.options.HasField("packed") else None
        field.ClearField("options")
        if packed is not None:
            field.options.packed = packed
    for nested in message.nested_type:
        _without_extensions(nested)
