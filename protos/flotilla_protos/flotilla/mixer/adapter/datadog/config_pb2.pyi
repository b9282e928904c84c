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
    __slots__ = ("site", "api_key_file", "metrics_url", "logs_url", "ca_file", "interval", "timeout", "compression", "prefix", "host", "global_tags", "metrics", "logs")
    class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GZIP: _ClassVar[Params.Compression]
        ZSTD: _ClassVar[Params.Compression]
        NONE: _ClassVar[Params.Compression]
    GZIP: Params.Compression
    ZSTD: Params.Compression
    NONE: Params.Compression
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
        value: Params.Metric
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Metric, _Mapping]] = ...) -> None: ...
    class LogsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.Log
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Log, _Mapping]] = ...) -> None: ...
    class Metric(_message.Message):
        __slots__ = ("name", "type", "tags", "unit", "resources")
        class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            UNSPECIFIED: _ClassVar[Params.Metric.Type]
            COUNT: _ClassVar[Params.Metric.Type]
            RATE: _ClassVar[Params.Metric.Type]
            GAUGE: _ClassVar[Params.Metric.Type]
            DISTRIBUTION: _ClassVar[Params.Metric.Type]
        UNSPECIFIED: Params.Metric.Type
        COUNT: Params.Metric.Type
        RATE: Params.Metric.Type
        GAUGE: Params.Metric.Type
        DISTRIBUTION: Params.Metric.Type
        class TagsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        class ResourcesEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        UNIT_FIELD_NUMBER: _ClassVar[int]
        RESOURCES_FIELD_NUMBER: _ClassVar[int]
        name: str
        type: Params.Metric.Type
        tags: _containers.ScalarMap[str, str]
        unit: str
        resources: _containers.ScalarMap[str, str]
        def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[Params.Metric.Type, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., unit: _Optional[str] = ..., resources: _Optional[_Mapping[str, str]] = ...) -> None: ...
    class Log(_message.Message):
        __slots__ = ("message", "service", "source", "tags", "tag_variables")
        class TagsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        SERVICE_FIELD_NUMBER: _ClassVar[int]
        SOURCE_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        TAG_VARIABLES_FIELD_NUMBER: _ClassVar[int]
        message: str
        service: str
        source: str
        tags: _containers.ScalarMap[str, str]
        tag_variables: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, message: _Optional[str] = ..., service: _Optional[str] = ..., source: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., tag_variables: _Optional[_Iterable[str]] = ...) -> None: ...
    SITE_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FILE_FIELD_NUMBER: _ClassVar[int]
    METRICS_URL_FIELD_NUMBER: _ClassVar[int]
    LOGS_URL_FIELD_NUMBER: _ClassVar[int]
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_TAGS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    site: str
    api_key_file: str
    metrics_url: str
    logs_url: str
    ca_file: str
    interval: _duration_pb2.Duration
    timeout: _duration_pb2.Duration
    compression: Params.Compression
    prefix: str
    host: str
    global_tags: _containers.ScalarMap[str, str]
    metrics: _containers.MessageMap[str, Params.Metric]
    logs: _containers.MessageMap[str, Params.Log]
    def __init__(self, site: _Optional[str] = ..., api_key_file: _Optional[str] = ..., metrics_url: _Optional[str] = ..., logs_url: _Optional[str] = ..., ca_file: _Optional[str] = ..., interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., compression: _Optional[_Union[Params.Compression, str]] = ..., prefix: _Optional[str] = ..., host: _Optional[str] = ..., global_tags: _Optional[_Mapping[str, str]] = ..., metrics: _Optional[_Mapping[str, Params.Metric]] = ..., logs: _Optional[_Mapping[str, Params.Log]] = ...) -> None: ...
