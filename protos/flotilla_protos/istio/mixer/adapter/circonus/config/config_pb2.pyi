import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("submission_url", "submission_interval", "metrics")
    class MetricInfo(_message.Message):
        __slots__ = ("name", "type")
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
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        name: str
        type: Params.MetricInfo.Type
        def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[Params.MetricInfo.Type, str]] = ...) -> None: ...
    SUBMISSION_URL_FIELD_NUMBER: _ClassVar[int]
    SUBMISSION_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    submission_url: str
    submission_interval: _duration_pb2.Duration
    metrics: _containers.RepeatedCompositeFieldContainer[Params.MetricInfo]
    def __init__(self, submission_url: _Optional[str] = ..., submission_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., metrics: _Optional[_Iterable[_Union[Params.MetricInfo, _Mapping]]] = ...) -> None: ...
