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
    __slots__ = ("quotas", "redis_server_url", "connection_pool_size", "database", "username", "password_file", "tls", "when_away", "timeout", "connect_timeout", "max_waiting", "key_prefix", "max_deduplication_duration", "sentinel", "cluster", "wait_for_replicas")
    class WhenAway(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        UNAVAILABLE: _ClassVar[Params.WhenAway]
        GRANT: _ClassVar[Params.WhenAway]
        REFUSE: _ClassVar[Params.WhenAway]
    UNAVAILABLE: Params.WhenAway
    GRANT: Params.WhenAway
    REFUSE: Params.WhenAway
    class QuotaAlgorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FIXED_WINDOW: _ClassVar[Params.QuotaAlgorithm]
        ROLLING_WINDOW: _ClassVar[Params.QuotaAlgorithm]
    FIXED_WINDOW: Params.QuotaAlgorithm
    ROLLING_WINDOW: Params.QuotaAlgorithm
    class Tls(_message.Message):
        __slots__ = ("ca_file", "server_name", "certificate_file", "key_file")
        CA_FILE_FIELD_NUMBER: _ClassVar[int]
        SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
        CERTIFICATE_FILE_FIELD_NUMBER: _ClassVar[int]
        KEY_FILE_FIELD_NUMBER: _ClassVar[int]
        ca_file: str
        server_name: str
        certificate_file: str
        key_file: str
        def __init__(self, ca_file: _Optional[str] = ..., server_name: _Optional[str] = ..., certificate_file: _Optional[str] = ..., key_file: _Optional[str] = ...) -> None: ...
    class Sentinel(_message.Message):
        __slots__ = ("master_name", "addresses", "username", "password_file", "tls")
        MASTER_NAME_FIELD_NUMBER: _ClassVar[int]
        ADDRESSES_FIELD_NUMBER: _ClassVar[int]
        USERNAME_FIELD_NUMBER: _ClassVar[int]
        PASSWORD_FILE_FIELD_NUMBER: _ClassVar[int]
        TLS_FIELD_NUMBER: _ClassVar[int]
        master_name: str
        addresses: _containers.RepeatedScalarFieldContainer[str]
        username: str
        password_file: str
        tls: Params.Tls
        def __init__(self, master_name: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., username: _Optional[str] = ..., password_file: _Optional[str] = ..., tls: _Optional[_Union[Params.Tls, _Mapping]] = ...) -> None: ...
    class Cluster(_message.Message):
        __slots__ = ("addresses",)
        ADDRESSES_FIELD_NUMBER: _ClassVar[int]
        addresses: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, addresses: _Optional[_Iterable[str]] = ...) -> None: ...
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
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FILE_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    WHEN_AWAY_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    KEY_PREFIX_FIELD_NUMBER: _ClassVar[int]
    MAX_DEDUPLICATION_DURATION_FIELD_NUMBER: _ClassVar[int]
    SENTINEL_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    WAIT_FOR_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    quotas: _containers.RepeatedCompositeFieldContainer[Params.Quota]
    redis_server_url: str
    connection_pool_size: int
    database: int
    username: str
    password_file: str
    tls: Params.Tls
    when_away: Params.WhenAway
    timeout: _duration_pb2.Duration
    connect_timeout: _duration_pb2.Duration
    max_waiting: int
    key_prefix: str
    max_deduplication_duration: _duration_pb2.Duration
    sentinel: Params.Sentinel
    cluster: Params.Cluster
    wait_for_replicas: int
    def __init__(self, quotas: _Optional[_Iterable[_Union[Params.Quota, _Mapping]]] = ..., redis_server_url: _Optional[str] = ..., connection_pool_size: _Optional[int] = ..., database: _Optional[int] = ..., username: _Optional[str] = ..., password_file: _Optional[str] = ..., tls: _Optional[_Union[Params.Tls, _Mapping]] = ..., when_away: _Optional[_Union[Params.WhenAway, str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., connect_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_waiting: _Optional[int] = ..., key_prefix: _Optional[str] = ..., max_deduplication_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., sentinel: _Optional[_Union[Params.Sentinel, _Mapping]] = ..., cluster: _Optional[_Union[Params.Cluster, _Mapping]] = ..., wait_for_replicas: _Optional[int] = ...) -> None: ...
