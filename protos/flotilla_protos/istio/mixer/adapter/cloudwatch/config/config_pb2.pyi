from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("namespace", "metric_info", "log_group_name", "log_stream_name", "logs")
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
    class MetricDatum(_message.Message):
        __slots__ = ("unit",)
        class Unit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            None: _ClassVar[Params.MetricDatum.Unit]
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
        None: Params.MetricDatum.Unit
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
        unit: Params.MetricDatum.Unit
        def __init__(self, unit: _Optional[_Union[Params.MetricDatum.Unit, str]] = ...) -> None: ...
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
    namespace: str
    metric_info: _containers.MessageMap[str, Params.MetricDatum]
    log_group_name: str
    log_stream_name: str
    logs: _containers.MessageMap[str, Params.LogInfo]
    def __init__(self, namespace: _Optional[str] = ..., metric_info: _Optional[_Mapping[str, Params.MetricDatum]] = ..., log_group_name: _Optional[str] = ..., log_stream_name: _Optional[str] = ..., logs: _Optional[_Mapping[str, Params.LogInfo]] = ...) -> None: ...
