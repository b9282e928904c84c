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
    __slots__ = ("endpoint", "protocol", "plaintext", "tls", "headers", "header_files", "compression", "timeout", "resource", "batch_duration", "batch_entries", "max_waiting", "metrics", "metrics_interval", "temporality", "series_limit", "series_expiry", "logs", "traces", "trace_sampling")
    class Protocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GRPC: _ClassVar[Params.Protocol]
        HTTP: _ClassVar[Params.Protocol]
        HTTP_JSON: _ClassVar[Params.Protocol]
    GRPC: Params.Protocol
    HTTP: Params.Protocol
    HTTP_JSON: Params.Protocol
    class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GZIP: _ClassVar[Params.Compression]
        NONE: _ClassVar[Params.Compression]
    GZIP: Params.Compression
    NONE: Params.Compression
    class Temporality(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CUMULATIVE: _ClassVar[Params.Temporality]
        DELTA: _ClassVar[Params.Temporality]
    CUMULATIVE: Params.Temporality
    DELTA: Params.Temporality
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Params.Kind]
        SUM: _ClassVar[Params.Kind]
        UP_DOWN_SUM: _ClassVar[Params.Kind]
        GAUGE: _ClassVar[Params.Kind]
        HISTOGRAM: _ClassVar[Params.Kind]
        EXPONENTIAL_HISTOGRAM: _ClassVar[Params.Kind]
    KIND_UNSPECIFIED: Params.Kind
    SUM: Params.Kind
    UP_DOWN_SUM: Params.Kind
    GAUGE: Params.Kind
    HISTOGRAM: Params.Kind
    EXPONENTIAL_HISTOGRAM: Params.Kind
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class HeaderFilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.HeaderFile
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.HeaderFile, _Mapping]] = ...) -> None: ...
    class ResourceEntry(_message.Message):
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
        value: Params.Metric
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Metric, _Mapping]] = ...) -> None: ...
    class LogsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.Log
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Log, _Mapping]] = ...) -> None: ...
    class TracesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.Trace
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Trace, _Mapping]] = ...) -> None: ...
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
    class HeaderFile(_message.Message):
        __slots__ = ("file", "prefix")
        FILE_FIELD_NUMBER: _ClassVar[int]
        PREFIX_FIELD_NUMBER: _ClassVar[int]
        file: str
        prefix: str
        def __init__(self, file: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...
    class Metric(_message.Message):
        __slots__ = ("name", "unit", "description", "kind", "bounds", "max_size")
        NAME_FIELD_NUMBER: _ClassVar[int]
        UNIT_FIELD_NUMBER: _ClassVar[int]
        DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        BOUNDS_FIELD_NUMBER: _ClassVar[int]
        MAX_SIZE_FIELD_NUMBER: _ClassVar[int]
        name: str
        unit: str
        description: str
        kind: Params.Kind
        bounds: _containers.RepeatedScalarFieldContainer[float]
        max_size: int
        def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., description: _Optional[str] = ..., kind: _Optional[_Union[Params.Kind, str]] = ..., bounds: _Optional[_Iterable[float]] = ..., max_size: _Optional[int] = ...) -> None: ...
    class Log(_message.Message):
        __slots__ = ("body_template", "event_name", "trace_id", "span_id", "severities")
        class SeveritiesEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: int
            def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
        BODY_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        EVENT_NAME_FIELD_NUMBER: _ClassVar[int]
        TRACE_ID_FIELD_NUMBER: _ClassVar[int]
        SPAN_ID_FIELD_NUMBER: _ClassVar[int]
        SEVERITIES_FIELD_NUMBER: _ClassVar[int]
        body_template: str
        event_name: str
        trace_id: str
        span_id: str
        severities: _containers.ScalarMap[str, int]
        def __init__(self, body_template: _Optional[str] = ..., event_name: _Optional[str] = ..., trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., severities: _Optional[_Mapping[str, int]] = ...) -> None: ...
    class Trace(_message.Message):
        __slots__ = ("resource_tags",)
        RESOURCE_TAGS_FIELD_NUMBER: _ClassVar[int]
        resource_tags: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, resource_tags: _Optional[_Iterable[str]] = ...) -> None: ...
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    PLAINTEXT_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FILES_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    BATCH_DURATION_FIELD_NUMBER: _ClassVar[int]
    BATCH_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    METRICS_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TEMPORALITY_FIELD_NUMBER: _ClassVar[int]
    SERIES_LIMIT_FIELD_NUMBER: _ClassVar[int]
    SERIES_EXPIRY_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    TRACES_FIELD_NUMBER: _ClassVar[int]
    TRACE_SAMPLING_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    protocol: Params.Protocol
    plaintext: bool
    tls: Params.Tls
    headers: _containers.ScalarMap[str, str]
    header_files: _containers.MessageMap[str, Params.HeaderFile]
    compression: Params.Compression
    timeout: _duration_pb2.Duration
    resource: _containers.ScalarMap[str, str]
    batch_duration: _duration_pb2.Duration
    batch_entries: int
    max_waiting: int
    metrics: _containers.MessageMap[str, Params.Metric]
    metrics_interval: _duration_pb2.Duration
    temporality: Params.Temporality
    series_limit: int
    series_expiry: _duration_pb2.Duration
    logs: _containers.MessageMap[str, Params.Log]
    traces: _containers.MessageMap[str, Params.Trace]
    trace_sampling: float
    def __init__(self, endpoint: _Optional[str] = ..., protocol: _Optional[_Union[Params.Protocol, str]] = ..., plaintext: _Optional[bool] = ..., tls: _Optional[_Union[Params.Tls, _Mapping]] = ..., headers: _Optional[_Mapping[str, str]] = ..., header_files: _Optional[_Mapping[str, Params.HeaderFile]] = ..., compression: _Optional[_Union[Params.Compression, str]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resource: _Optional[_Mapping[str, str]] = ..., batch_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., batch_entries: _Optional[int] = ..., max_waiting: _Optional[int] = ..., metrics: _Optional[_Mapping[str, Params.Metric]] = ..., metrics_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., temporality: _Optional[_Union[Params.Temporality, str]] = ..., series_limit: _Optional[int] = ..., series_expiry: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., logs: _Optional[_Mapping[str, Params.Log]] = ..., traces: _Optional[_Mapping[str, Params.Trace]] = ..., trace_sampling: _Optional[float] = ...) -> None: ...
