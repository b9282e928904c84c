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
    __slots__ = ("quotas", "redis_server_url", "connection_pool_size")
    class QuotaAlgorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FIXED_WINDOW: _ClassVar[Params.QuotaAlgorithm]
        ROLLING_WINDOW: _ClassVar[Params.QuotaAlgorithm]
    FIXED_WINDOW: Params.QuotaAlgorithm
    ROLLING_WINDOW: Params.QuotaAlgorithm
    class Override(_message.Message):
        __slots__ = ("dimensions", "max_amount")
        class DimensionsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
        MAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
        dimensions: _containers.ScalarMap[str, str]
        max_amount: int
        def __init__(self, dimensions: _Optional[_Mapping[str, str]] = ..., max_amount: _Optional[int] = ...) -> None: ...
    class Quota(_message.Message):
        __slots__ = ("name", "max_amount", "valid_duration", "bucket_duration", "rate_limit_algorithm", "overrides")
        NAME_FIELD_NUMBER: _ClassVar[int]
        MAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
        VALID_DURATION_FIELD_NUMBER: _ClassVar[int]
        BUCKET_DURATION_FIELD_NUMBER: _ClassVar[int]
        RATE_LIMIT_ALGORITHM_FIELD_NUMBER: _ClassVar[int]
        OVERRIDES_FIELD_NUMBER: _ClassVar[int]
        name: str
        max_amount: int
        valid_duration: _duration_pb2.Duration
        bucket_duration: _duration_pb2.Duration
        rate_limit_algorithm: Params.QuotaAlgorithm
        overrides: _containers.RepeatedCompositeFieldContainer[Params.Override]
        def __init__(self, name: _Optional[str] = ..., max_amount: _Optional[int] = ..., valid_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., bucket_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., rate_limit_algorithm: _Optional[_Union[Params.QuotaAlgorithm, str]] = ..., overrides: _Optional[_Iterable[_Union[Params.Override, _Mapping]]] = ...) -> None: ...
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    REDIS_SERVER_URL_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_POOL_SIZE_FIELD_NUMBER: _ClassVar[int]
    quotas: _containers.RepeatedCompositeFieldContainer[Params.Quota]
    redis_server_url: str
    connection_pool_size: int
    def __init__(self, quotas: _Optional[_Iterable[_Union[Params.Quota, _Mapping]]] = ..., redis_server_url: _Optional[str] = ..., connection_pool_size: _Optional[int] = ...) -> None: ...
