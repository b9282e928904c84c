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
    __slots__ = ("metrics", "metrics_expiration_policy", "remote_write")
    class MetricInfo(_message.Message):
        __slots__ = ("namespace", "name", "instance_name", "description", "kind", "buckets", "label_names", "exemplar_dimensions")
        class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            UNSPECIFIED: _ClassVar[Params.MetricInfo.Kind]
            GAUGE: _ClassVar[Params.MetricInfo.Kind]
            COUNTER: _ClassVar[Params.MetricInfo.Kind]
            DISTRIBUTION: _ClassVar[Params.MetricInfo.Kind]
        UNSPECIFIED: Params.MetricInfo.Kind
        GAUGE: Params.MetricInfo.Kind
        COUNTER: Params.MetricInfo.Kind
        DISTRIBUTION: Params.MetricInfo.Kind
        class BucketsDefinition(_message.Message):
            __slots__ = ("linear_buckets", "exponential_buckets", "explicit_buckets")
            class Linear(_message.Message):
                __slots__ = ("num_finite_buckets", "width", "offset")
                NUM_FINITE_BUCKETS_FIELD_NUMBER: _ClassVar[int]
                WIDTH_FIELD_NUMBER: _ClassVar[int]
                OFFSET_FIELD_NUMBER: _ClassVar[int]
                num_finite_buckets: int
                width: float
                offset: float
                def __init__(self, num_finite_buckets: _Optional[int] = ..., width: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...
            class Exponential(_message.Message):
                __slots__ = ("num_finite_buckets", "growth_factor", "scale")
                NUM_FINITE_BUCKETS_FIELD_NUMBER: _ClassVar[int]
                GROWTH_FACTOR_FIELD_NUMBER: _ClassVar[int]
                SCALE_FIELD_NUMBER: _ClassVar[int]
                num_finite_buckets: int
                growth_factor: float
                scale: float
                def __init__(self, num_finite_buckets: _Optional[int] = ..., growth_factor: _Optional[float] = ..., scale: _Optional[float] = ...) -> None: ...
            class Explicit(_message.Message):
                __slots__ = ("bounds",)
                BOUNDS_FIELD_NUMBER: _ClassVar[int]
                bounds: _containers.RepeatedScalarFieldContainer[float]
                def __init__(self, bounds: _Optional[_Iterable[float]] = ...) -> None: ...
            LINEAR_BUCKETS_FIELD_NUMBER: _ClassVar[int]
            EXPONENTIAL_BUCKETS_FIELD_NUMBER: _ClassVar[int]
            EXPLICIT_BUCKETS_FIELD_NUMBER: _ClassVar[int]
            linear_buckets: Params.MetricInfo.BucketsDefinition.Linear
            exponential_buckets: Params.MetricInfo.BucketsDefinition.Exponential
            explicit_buckets: Params.MetricInfo.BucketsDefinition.Explicit
            def __init__(self, linear_buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition.Linear, _Mapping]] = ..., exponential_buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition.Exponential, _Mapping]] = ..., explicit_buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition.Explicit, _Mapping]] = ...) -> None: ...
        NAMESPACE_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        INSTANCE_NAME_FIELD_NUMBER: _ClassVar[int]
        DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        BUCKETS_FIELD_NUMBER: _ClassVar[int]
        LABEL_NAMES_FIELD_NUMBER: _ClassVar[int]
        EXEMPLAR_DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
        namespace: str
        name: str
        instance_name: str
        description: str
        kind: Params.MetricInfo.Kind
        buckets: Params.MetricInfo.BucketsDefinition
        label_names: _containers.RepeatedScalarFieldContainer[str]
        exemplar_dimensions: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., instance_name: _Optional[str] = ..., description: _Optional[str] = ..., kind: _Optional[_Union[Params.MetricInfo.Kind, str]] = ..., buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition, _Mapping]] = ..., label_names: _Optional[_Iterable[str]] = ..., exemplar_dimensions: _Optional[_Iterable[str]] = ...) -> None: ...
    class MetricsExpirationPolicy(_message.Message):
        __slots__ = ("metrics_expiry_duration", "expiry_check_interval_duration")
        METRICS_EXPIRY_DURATION_FIELD_NUMBER: _ClassVar[int]
        EXPIRY_CHECK_INTERVAL_DURATION_FIELD_NUMBER: _ClassVar[int]
        metrics_expiry_duration: _duration_pb2.Duration
        expiry_check_interval_duration: _duration_pb2.Duration
        def __init__(self, metrics_expiry_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expiry_check_interval_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    class RemoteWrite(_message.Message):
        __slots__ = ("url", "interval", "timeout", "external_labels", "headers", "username", "password_file", "bearer_token_file", "ca_file")
        class ExternalLabelsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        class HeadersEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        URL_FIELD_NUMBER: _ClassVar[int]
        INTERVAL_FIELD_NUMBER: _ClassVar[int]
        TIMEOUT_FIELD_NUMBER: _ClassVar[int]
        EXTERNAL_LABELS_FIELD_NUMBER: _ClassVar[int]
        HEADERS_FIELD_NUMBER: _ClassVar[int]
        USERNAME_FIELD_NUMBER: _ClassVar[int]
        PASSWORD_FILE_FIELD_NUMBER: _ClassVar[int]
        BEARER_TOKEN_FILE_FIELD_NUMBER: _ClassVar[int]
        CA_FILE_FIELD_NUMBER: _ClassVar[int]
        url: str
        interval: _duration_pb2.Duration
        timeout: _duration_pb2.Duration
        external_labels: _containers.ScalarMap[str, str]
        headers: _containers.ScalarMap[str, str]
        username: str
        password_file: str
        bearer_token_file: str
        ca_file: str
        def __init__(self, url: _Optional[str] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., external_labels: _Optional[_Mapping[str, str]] = ..., headers: _Optional[_Mapping[str, str]] = ..., username: _Optional[str] = ..., password_file: _Optional[str] = ..., bearer_token_file: _Optional[str] = ..., ca_file: _Optional[str] = ...) -> None: ...
    METRICS_FIELD_NUMBER: _ClassVar[int]
    METRICS_EXPIRATION_POLICY_FIELD_NUMBER: _ClassVar[int]
    REMOTE_WRITE_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[Params.MetricInfo]
    metrics_expiration_policy: Params.MetricsExpirationPolicy
    remote_write: Params.RemoteWrite
    def __init__(self, metrics: _Optional[_Iterable[_Union[Params.MetricInfo, _Mapping]]] = ..., metrics_expiration_policy: _Optional[_Union[Params.MetricsExpirationPolicy, _Mapping]] = ..., remote_write: _Optional[_Union[Params.RemoteWrite, _Mapping]] = ...) -> None: ...
