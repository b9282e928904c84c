from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("address", "prefix", "buffer_length", "global_tags", "sample_rate", "metrics")
    class GlobalTagsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.MetricInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.MetricInfo, _Mapping]] = ...) -> None: ...
    class MetricInfo(_message.Message):
        __slots__ = ("name", "type", "tags")
        class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            UNKNOWN_TYPE: _ClassVar[Params.MetricInfo.Type]
            COUNTER: _ClassVar[Params.MetricInfo.Type]
            GAUGE: _ClassVar[Params.MetricInfo.Type]
            DISTRIBUTION: _ClassVar[Params.MetricInfo.Type]
        UNKNOWN_TYPE: Params.MetricInfo.Type
        COUNTER: Params.MetricInfo.Type
        GAUGE: Params.MetricInfo.Type
        DISTRIBUTION: Params.MetricInfo.Type
        class TagsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        name: str
        type: Params.MetricInfo.Type
        tags: _containers.ScalarMap[str, str]
        def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[Params.MetricInfo.Type, str]] = ..., tags: _Optional[_Mapping[str, str]] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    BUFFER_LENGTH_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_TAGS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    address: str
    prefix: str
    buffer_length: int
    global_tags: _containers.ScalarMap[str, str]
    sample_rate: float
    metrics: _containers.MessageMap[str, Params.MetricInfo]
    def __init__(self, address: _Optional[str] = ..., prefix: _Optional[str] = ..., buffer_length: _Optional[int] = ..., global_tags: _Optional[_Mapping[str, str]] = ..., sample_rate: _Optional[float] = ..., metrics: _Optional[_Mapping[str, Params.MetricInfo]] = ...) -> None: ...
