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
    __slots__ = ("namespace", "metric_info", "log_group_name", "log_stream_name", "logs", "region", "endpoints", "credentials", "flush_duration", "log_flush_duration", "timeout", "when_missing", "log_retention_days")
    class WhenMissing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REFUSE: _ClassVar[Params.WhenMissing]
        CREATE_STREAM: _ClassVar[Params.WhenMissing]
        CREATE_GROUP: _ClassVar[Params.WhenMissing]
    REFUSE: Params.WhenMissing
    CREATE_STREAM: Params.WhenMissing
    CREATE_GROUP: Params.WhenMissing
    class MetricInfoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.MetricDatum
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.MetricDatum, _Mapping]] = ...) -> None: ...
    class LogsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.LogInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.LogInfo, _Mapping]] = ...) -> None: ...
    class Endpoints(_message.Message):
        __slots__ = ("metrics", "logs", "sts")
        METRICS_FIELD_NUMBER: _ClassVar[int]
        LOGS_FIELD_NUMBER: _ClassVar[int]
        STS_FIELD_NUMBER: _ClassVar[int]
        metrics: str
        logs: str
        sts: str
        def __init__(self, metrics: _Optional[str] = ..., logs: _Optional[str] = ..., sts: _Optional[str] = ...) -> None: ...
    class Credentials(_message.Message):
        __slots__ = ("secret_file", "profile", "web_identity_token_file", "role_arn", "role_session_name", "external_id")
        SECRET_FILE_FIELD_NUMBER: _ClassVar[int]
        PROFILE_FIELD_NUMBER: _ClassVar[int]
        WEB_IDENTITY_TOKEN_FILE_FIELD_NUMBER: _ClassVar[int]
        ROLE_ARN_FIELD_NUMBER: _ClassVar[int]
        ROLE_SESSION_NAME_FIELD_NUMBER: _ClassVar[int]
        EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
        secret_file: str
        profile: str
        web_identity_token_file: str
        role_arn: str
        role_session_name: str
        external_id: str
        def __init__(self, secret_file: _Optional[str] = ..., profile: _Optional[str] = ..., web_identity_token_file: _Optional[str] = ..., role_arn: _Optional[str] = ..., role_session_name: _Optional[str] = ..., external_id: _Optional[str] = ...) -> None: ...
    class MetricDatum(_message.Message):
        __slots__ = ("unit", "metric_name", "storage_resolution", "statistics", "significant_digits")
        class Statistics(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            VALUES: _ClassVar[Params.MetricDatum.Statistics]
            STATISTIC_SET: _ClassVar[Params.MetricDatum.Statistics]
        VALUES: Params.MetricDatum.Statistics
        STATISTIC_SET: Params.MetricDatum.Statistics
        class Unit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            Seconds: _ClassVar[Params.MetricDatum.Unit]
            Microseconds: _ClassVar[Params.MetricDatum.Unit]
            Milliseconds: _ClassVar[Params.MetricDatum.Unit]
            Count: _ClassVar[Params.MetricDatum.Unit]
            Bytes: _ClassVar[Params.MetricDatum.Unit]
            Kilobytes: _ClassVar[Params.MetricDatum.Unit]
            Megabytes: _ClassVar[Params.MetricDatum.Unit]
            Gigabytes: _ClassVar[Params.MetricDatum.Unit]
            Terabytes: _ClassVar[Params.MetricDatum.Unit]
            Bits: _ClassVar[Params.MetricDatum.Unit]
            Kilobits: _ClassVar[Params.MetricDatum.Unit]
            Megabits: _ClassVar[Params.MetricDatum.Unit]
            Gigabits: _ClassVar[Params.MetricDatum.Unit]
            Terabits: _ClassVar[Params.MetricDatum.Unit]
            Percent: _ClassVar[Params.MetricDatum.Unit]
            Bytes_Second: _ClassVar[Params.MetricDatum.Unit]
            Kilobytes_Second: _ClassVar[Params.MetricDatum.Unit]
            Megabytes_Second: _ClassVar[Params.MetricDatum.Unit]
            Gigabytes_Second: _ClassVar[Params.MetricDatum.Unit]
            Terabytes_Second: _ClassVar[Params.MetricDatum.Unit]
            Bits_Second: _ClassVar[Params.MetricDatum.Unit]
            Kilobits_Second: _ClassVar[Params.MetricDatum.Unit]
            Megabits_Second: _ClassVar[Params.MetricDatum.Unit]
            Gigabits_Second: _ClassVar[Params.MetricDatum.Unit]
            Terabits_Second: _ClassVar[Params.MetricDatum.Unit]
            Count_Second: _ClassVar[Params.MetricDatum.Unit]
        Seconds: Params.MetricDatum.Unit
        Microseconds: Params.MetricDatum.Unit
        Milliseconds: Params.MetricDatum.Unit
        Count: Params.MetricDatum.Unit
        Bytes: Params.MetricDatum.Unit
        Kilobytes: Params.MetricDatum.Unit
        Megabytes: Params.MetricDatum.Unit
        Gigabytes: Params.MetricDatum.Unit
        Terabytes: Params.MetricDatum.Unit
        Bits: Params.MetricDatum.Unit
        Kilobits: Params.MetricDatum.Unit
        Megabits: Params.MetricDatum.Unit
        Gigabits: Params.MetricDatum.Unit
        Terabits: Params.MetricDatum.Unit
        Percent: Params.MetricDatum.Unit
        Bytes_Second: Params.MetricDatum.Unit
        Kilobytes_Second: Params.MetricDatum.Unit
        Megabytes_Second: Params.MetricDatum.Unit
        Gigabytes_Second: Params.MetricDatum.Unit
        Terabytes_Second: Params.MetricDatum.Unit
        Bits_Second: Params.MetricDatum.Unit
        Kilobits_Second: Params.MetricDatum.Unit
        Megabits_Second: Params.MetricDatum.Unit
        Gigabits_Second: Params.MetricDatum.Unit
        Terabits_Second: Params.MetricDatum.Unit
        Count_Second: Params.MetricDatum.Unit
        UNIT_FIELD_NUMBER: _ClassVar[int]
        METRIC_NAME_FIELD_NUMBER: _ClassVar[int]
        STORAGE_RESOLUTION_FIELD_NUMBER: _ClassVar[int]
        STATISTICS_FIELD_NUMBER: _ClassVar[int]
        SIGNIFICANT_DIGITS_FIELD_NUMBER: _ClassVar[int]
        unit: Params.MetricDatum.Unit
        metric_name: str
        storage_resolution: int
        statistics: Params.MetricDatum.Statistics
        significant_digits: int
        def __init__(self, unit: _Optional[_Union[Params.MetricDatum.Unit, str]] = ..., metric_name: _Optional[str] = ..., storage_resolution: _Optional[int] = ..., statistics: _Optional[_Union[Params.MetricDatum.Statistics, str]] = ..., significant_digits: _Optional[int] = ...) -> None: ...
    class LogInfo(_message.Message):
        __slots__ = ("payload_template",)
        PAYLOAD_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        payload_template: str
        def __init__(self, payload_template: _Optional[str] = ...) -> None: ...
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    METRIC_INFO_FIELD_NUMBER: _ClassVar[int]
    LOG_GROUP_NAME_FIELD_NUMBER: _ClassVar[int]
    LOG_STREAM_NAME_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    FLUSH_DURATION_FIELD_NUMBER: _ClassVar[int]
    LOG_FLUSH_DURATION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    WHEN_MISSING_FIELD_NUMBER: _ClassVar[int]
    LOG_RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    metric_info: _containers.MessageMap[str, Params.MetricDatum]
    log_group_name: str
    log_stream_name: str
    logs: _containers.MessageMap[str, Params.LogInfo]
    region: str
    endpoints: Params.Endpoints
    credentials: Params.Credentials
    flush_duration: _duration_pb2.Duration
    log_flush_duration: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    when_missing: Params.WhenMissing
    log_retention_days: int
    def __init__(self, namespace: _Optional[str] = ..., metric_info: _Optional[_Mapping[str, Params.MetricDatum]] = ..., log_group_name: _Optional[str] = ..., log_stream_name: _Optional[str] = ..., logs: _Optional[_Mapping[str, Params.LogInfo]] = ..., region: _Optional[str] = ..., endpoints: _Optional[_Union[Params.Endpoints, _Mapping]] = ..., credentials: _Optional[_Union[Params.Credentials, _Mapping]] = ..., flush_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., log_flush_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., when_missing: _Optional[_Union[Params.WhenMissing, str]] = ..., log_retention_days: _Optional[int] = ...) -> None: ...
