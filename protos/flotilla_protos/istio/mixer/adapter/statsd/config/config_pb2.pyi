import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("address", "prefix", "flush_duration", "flush_bytes", "sampling_rate", "metrics")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.MetricInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.MetricInfo, _Mapping]] = ...) -> None: ...
    class MetricInfo(_message.Message):
        __slots__ = ("type", "name_template")
        class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            UNKNOWN: _ClassVar[Params.MetricInfo.Type]
            COUNTER: _ClassVar[Params.MetricInfo.Type]
            GAUGE: _ClassVar[Params.MetricInfo.Type]
            DISTRIBUTION: _ClassVar[Params.MetricInfo.Type]
        UNKNOWN: Params.MetricInfo.Type
        COUNTER: Params.MetricInfo.Type
        GAUGE: Params.MetricInfo.Type
        DISTRIBUTION: Params.MetricInfo.Type
        TYPE_FIELD_NUMBER: _ClassVar[int]
        NAME_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        type: Params.MetricInfo.Type
        name_template: str
        def __init__(self, type: _Optional[_Union[Params.MetricInfo.Type, str]] = ..., name_template: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    FLUSH_DURATION_FIELD_NUMBER: _ClassVar[int]
    FLUSH_BYTES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_RATE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    address: str
    prefix: str
    flush_duration: _duration_pb2.Duration
    flush_bytes: int
    sampling_rate: float
    metrics: _containers.MessageMap[str, Params.MetricInfo]
    def __init__(self, address: _Optional[str] = ..., prefix: _Optional[str] = ..., flush_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., flush_bytes: _Optional[int] = ..., sampling_rate: _Optional[float] = ..., metrics: _Optional[_Mapping[str, Params.MetricInfo]] = ...) -> None: ...
