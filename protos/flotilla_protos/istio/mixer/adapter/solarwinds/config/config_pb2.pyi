import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("appoptics_access_token", "appoptics_batch_size", "papertrail_url", "papertrail_local_retention_duration", "metrics", "logs")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.MetricInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.MetricInfo, _Mapping]] = ...) -> None: ...
    class LogsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.LogInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.LogInfo, _Mapping]] = ...) -> None: ...
    class MetricInfo(_message.Message):
        __slots__ = ("label_names",)
        LABEL_NAMES_FIELD_NUMBER: _ClassVar[int]
        label_names: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, label_names: _Optional[_Iterable[str]] = ...) -> None: ...
    class LogInfo(_message.Message):
        __slots__ = ("payload_template",)
        PAYLOAD_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        payload_template: str
        def __init__(self, payload_template: _Optional[str] = ...) -> None: ...
    APPOPTICS_ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    APPOPTICS_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAPERTRAIL_URL_FIELD_NUMBER: _ClassVar[int]
    PAPERTRAIL_LOCAL_RETENTION_DURATION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    appoptics_access_token: str
    appoptics_batch_size: int
    papertrail_url: str
    papertrail_local_retention_duration: _duration_pb2.Duration
    metrics: _containers.MessageMap[str, Params.MetricInfo]
    logs: _containers.MessageMap[str, Params.LogInfo]
    def __init__(self, appoptics_access_token: _Optional[str] = ..., appoptics_batch_size: _Optional[int] = ..., papertrail_url: _Optional[str] = ..., papertrail_local_retention_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., metrics: _Optional[_Mapping[str, Params.MetricInfo]] = ..., logs: _Optional[_Mapping[str, Params.LogInfo]] = ...) -> None: ...
