from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusReport(_message.Message):
    __slots__ = ("reporter", "objects", "full", "sequence")
    REPORTER_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    FULL_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    reporter: str
    objects: _containers.RepeatedCompositeFieldContainer[ObjectStatus]
    full: bool
    sequence: int
    def __init__(self, reporter: _Optional[str] = ..., objects: _Optional[_Iterable[_Union[ObjectStatus, _Mapping]]] = ..., full: _Optional[bool] = ..., sequence: _Optional[int] = ...) -> None: ...

class ObjectStatus(_message.Message):
    __slots__ = ("collection", "namespace", "name", "version", "accepted", "problems", "proxies_concerned", "proxies_acknowledged", "proxies_rejected", "removed")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    PROXIES_CONCERNED_FIELD_NUMBER: _ClassVar[int]
    PROXIES_ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    PROXIES_REJECTED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    collection: str
    namespace: str
    name: str
    version: str
    accepted: bool
    problems: _containers.RepeatedCompositeFieldContainer[Problem]
    proxies_concerned: int
    proxies_acknowledged: int
    proxies_rejected: int
    removed: bool
    def __init__(self, collection: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., accepted: _Optional[bool] = ..., problems: _Optional[_Iterable[_Union[Problem, _Mapping]]] = ..., proxies_concerned: _Optional[int] = ..., proxies_acknowledged: _Optional[int] = ..., proxies_rejected: _Optional[int] = ..., removed: _Optional[bool] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("code", "field", "text")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    code: str
    field: str
    text: str
    def __init__(self, code: _Optional[str] = ..., field: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class StatusAck(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...
