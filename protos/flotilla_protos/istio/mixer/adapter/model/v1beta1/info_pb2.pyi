from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Info(_message.Message):
    __slots__ = ("name", "description", "templates", "config", "session_based")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SESSION_BASED_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    templates: _containers.RepeatedScalarFieldContainer[str]
    config: str
    session_based: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., templates: _Optional[_Iterable[str]] = ..., config: _Optional[str] = ..., session_based: _Optional[bool] = ...) -> None: ...
