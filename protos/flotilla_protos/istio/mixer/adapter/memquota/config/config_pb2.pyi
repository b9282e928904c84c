import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("quotas", "min_deduplication_duration")
    class Quota(_message.Message):
        __slots__ = ("name", "max_amount", "valid_duration", "overrides")
        NAME_FIELD_NUMBER: _ClassVar[int]
        MAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
        VALID_DURATION_FIELD_NUMBER: _ClassVar[int]
        OVERRIDES_FIELD_NUMBER: _ClassVar[int]
        name: str
        max_amount: int
        valid_duration: _duration_pb2.Duration
        overrides: _containers.RepeatedCompositeFieldContainer[Params.Override]
        def __init__(self, name: _Optional[str] = ..., max_amount: _Optional[int] = ..., valid_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., overrides: _Optional[_Iterable[_Union[Params.Override, _Mapping]]] = ...) -> None: ...
    class Override(_message.Message):
        __slots__ = ("dimensions", "max_amount", "valid_duration")
        class DimensionsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
        MAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
        VALID_DURATION_FIELD_NUMBER: _ClassVar[int]
        dimensions: _containers.ScalarMap[str, str]
        max_amount: int
        valid_duration: _duration_pb2.Duration
        def __init__(self, dimensions: _Optional[_Mapping[str, str]] = ..., max_amount: _Optional[int] = ..., valid_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    MIN_DEDUPLICATION_DURATION_FIELD_NUMBER: _ClassVar[int]
    quotas: _containers.RepeatedCompositeFieldContainer[Params.Quota]
    min_deduplication_duration: _duration_pb2.Duration
    def __init__(self, quotas: _Optional[_Iterable[_Union[Params.Quota, _Mapping]]] = ..., min_deduplication_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
