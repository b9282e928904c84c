from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("address", "prefix", "buffer_length", "global_tags", "sample_rate", "metrics", "events", "service_checks", "origin")
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
        value: Params.MetricInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.MetricInfo, _Mapping]] = ...) -> None: ...
    class EventsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.Event
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Event, _Mapping]] = ...) -> None: ...
    class ServiceChecksEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.ServiceCheck
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.ServiceCheck, _Mapping]] = ...) -> None: ...
    class MetricInfo(_message.Message):
        __slots__ = ("name", "type", "tags", "aggregated_by")
        class AggregatedBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            AGENT: _ClassVar[Params.MetricInfo.AggregatedBy]
            DATADOG: _ClassVar[Params.MetricInfo.AggregatedBy]
        AGENT: Params.MetricInfo.AggregatedBy
        DATADOG: Params.MetricInfo.AggregatedBy
        class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            UNKNOWN_TYPE: _ClassVar[Params.MetricInfo.Type]
            COUNTER: _ClassVar[Params.MetricInfo.Type]
            GAUGE: _ClassVar[Params.MetricInfo.Type]
            DISTRIBUTION: _ClassVar[Params.MetricInfo.Type]
        UNKNOWN_TYPE: Params.MetricInfo.Type
        COUNTER: Params.MetricInfo.Type
        GAUGE: Params.MetricInfo.Type
        DISTRIBUTION: Params.MetricInfo.Type
        class TagsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        NAME_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        AGGREGATED_BY_FIELD_NUMBER: _ClassVar[int]
        name: str
        type: Params.MetricInfo.Type
        tags: _containers.ScalarMap[str, str]
        aggregated_by: Params.MetricInfo.AggregatedBy
        def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[Params.MetricInfo.Type, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., aggregated_by: _Optional[_Union[Params.MetricInfo.AggregatedBy, str]] = ...) -> None: ...
    class Event(_message.Message):
        __slots__ = ("title", "text", "aggregation_key", "source_type", "priority", "tags", "tag_variables")
        class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            NORMAL: _ClassVar[Params.Event.Priority]
            LOW: _ClassVar[Params.Event.Priority]
        NORMAL: Params.Event.Priority
        LOW: Params.Event.Priority
        class TagsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        TITLE_FIELD_NUMBER: _ClassVar[int]
        TEXT_FIELD_NUMBER: _ClassVar[int]
        AGGREGATION_KEY_FIELD_NUMBER: _ClassVar[int]
        SOURCE_TYPE_FIELD_NUMBER: _ClassVar[int]
        PRIORITY_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        TAG_VARIABLES_FIELD_NUMBER: _ClassVar[int]
        title: str
        text: str
        aggregation_key: str
        source_type: str
        priority: Params.Event.Priority
        tags: _containers.ScalarMap[str, str]
        tag_variables: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, title: _Optional[str] = ..., text: _Optional[str] = ..., aggregation_key: _Optional[str] = ..., source_type: _Optional[str] = ..., priority: _Optional[_Union[Params.Event.Priority, str]] = ..., tags: _Optional[_Mapping[str, str]] = ..., tag_variables: _Optional[_Iterable[str]] = ...) -> None: ...
    class ServiceCheck(_message.Message):
        __slots__ = ("name", "message", "tags", "tag_variables")
        class TagsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        NAME_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        TAGS_FIELD_NUMBER: _ClassVar[int]
        TAG_VARIABLES_FIELD_NUMBER: _ClassVar[int]
        name: str
        message: str
        tags: _containers.ScalarMap[str, str]
        tag_variables: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., tags: _Optional[_Mapping[str, str]] = ..., tag_variables: _Optional[_Iterable[str]] = ...) -> None: ...
    class Origin(_message.Message):
        __slots__ = ("detect", "container_id", "external_data")
        DETECT_FIELD_NUMBER: _ClassVar[int]
        CONTAINER_ID_FIELD_NUMBER: _ClassVar[int]
        EXTERNAL_DATA_FIELD_NUMBER: _ClassVar[int]
        detect: bool
        container_id: str
        external_data: str
        def __init__(self, detect: _Optional[bool] = ..., container_id: _Optional[str] = ..., external_data: _Optional[str] = ...) -> None: ...
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    BUFFER_LENGTH_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_TAGS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_CHECKS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    address: str
    prefix: str
    buffer_length: int
    global_tags: _containers.ScalarMap[str, str]
    sample_rate: float
    metrics: _containers.MessageMap[str, Params.MetricInfo]
    events: _containers.MessageMap[str, Params.Event]
    service_checks: _containers.MessageMap[str, Params.ServiceCheck]
    origin: Params.Origin
    def __init__(self, address: _Optional[str] = ..., prefix: _Optional[str] = ..., buffer_length: _Optional[int] = ..., global_tags: _Optional[_Mapping[str, str]] = ..., sample_rate: _Optional[float] = ..., metrics: _Optional[_Mapping[str, Params.MetricInfo]] = ..., events: _Optional[_Mapping[str, Params.Event]] = ..., service_checks: _Optional[_Mapping[str, Params.ServiceCheck]] = ..., origin: _Optional[_Union[Params.Origin, _Mapping]] = ...) -> None: ...
