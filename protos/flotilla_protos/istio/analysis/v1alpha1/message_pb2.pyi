from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AnalysisMessageBase(_message.Message):
    __slots__ = ("type", "level", "documentation_url")
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNKNOWN: _ClassVar[AnalysisMessageBase.Level]
        ERROR: _ClassVar[AnalysisMessageBase.Level]
        WARNING: _ClassVar[AnalysisMessageBase.Level]
        INFO: _ClassVar[AnalysisMessageBase.Level]
    UNKNOWN: AnalysisMessageBase.Level
    ERROR: AnalysisMessageBase.Level
    WARNING: AnalysisMessageBase.Level
    INFO: AnalysisMessageBase.Level
    class Type(_message.Message):
        __slots__ = ("name", "code")
        NAME_FIELD_NUMBER: _ClassVar[int]
        CODE_FIELD_NUMBER: _ClassVar[int]
        name: str
        code: str
        def __init__(self, name: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTATION_URL_FIELD_NUMBER: _ClassVar[int]
    type: AnalysisMessageBase.Type
    level: AnalysisMessageBase.Level
    documentation_url: str
    def __init__(self, type: _Optional[_Union[AnalysisMessageBase.Type, _Mapping]] = ..., level: _Optional[_Union[AnalysisMessageBase.Level, str]] = ..., documentation_url: _Optional[str] = ...) -> None: ...

class AnalysisMessageWeakSchema(_message.Message):
    __slots__ = ("message_base", "description", "template", "args")
    class ArgType(_message.Message):
        __slots__ = ("name", "go_type")
        NAME_FIELD_NUMBER: _ClassVar[int]
        GO_TYPE_FIELD_NUMBER: _ClassVar[int]
        name: str
        go_type: str
        def __init__(self, name: _Optional[str] = ..., go_type: _Optional[str] = ...) -> None: ...
    MESSAGE_BASE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    message_base: AnalysisMessageBase
    description: str
    template: str
    args: _containers.RepeatedCompositeFieldContainer[AnalysisMessageWeakSchema.ArgType]
    def __init__(self, message_base: _Optional[_Union[AnalysisMessageBase, _Mapping]] = ..., description: _Optional[str] = ..., template: _Optional[str] = ..., args: _Optional[_Iterable[_Union[AnalysisMessageWeakSchema.ArgType, _Mapping]]] = ...) -> None: ...

class GenericAnalysisMessage(_message.Message):
    __slots__ = ("message_base", "args", "resource_paths")
    MESSAGE_BASE_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_PATHS_FIELD_NUMBER: _ClassVar[int]
    message_base: AnalysisMessageBase
    args: _struct_pb2.Struct
    resource_paths: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, message_base: _Optional[_Union[AnalysisMessageBase, _Mapping]] = ..., args: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., resource_paths: _Optional[_Iterable[str]] = ...) -> None: ...

class InternalErrorAnalysisMessage(_message.Message):
    __slots__ = ("message_base", "detail")
    MESSAGE_BASE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    message_base: AnalysisMessageBase
    detail: str
    def __init__(self, message_base: _Optional[_Union[AnalysisMessageBase, _Mapping]] = ..., detail: _Optional[str] = ...) -> None: ...
