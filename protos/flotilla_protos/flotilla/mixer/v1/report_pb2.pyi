import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from flotilla_protos.istio.mixer.v1 import mixer_pb2 as _mixer_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Attributes(_message.Message):
    __slots__ = ("words", "strings", "int64s", "doubles", "bools", "timestamps", "durations", "bytes", "string_maps")
    class Int64sEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: int
        def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
    class DoublesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    class TimestampsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: _timestamp_pb2.Timestamp
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    class DurationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: _duration_pb2.Duration
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    class BytesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: bytes
        def __init__(self, key: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...
    WORDS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    INT64S_FIELD_NUMBER: _ClassVar[int]
    DOUBLES_FIELD_NUMBER: _ClassVar[int]
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    DURATIONS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    STRING_MAPS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedScalarFieldContainer[str]
    strings: _containers.RepeatedScalarFieldContainer[bytes]
    int64s: _containers.ScalarMap[int, int]
    doubles: _containers.ScalarMap[int, float]
    bools: _containers.RepeatedScalarFieldContainer[bytes]
    timestamps: _containers.MessageMap[int, _timestamp_pb2.Timestamp]
    durations: _containers.MessageMap[int, _duration_pb2.Duration]
    bytes: _containers.ScalarMap[int, bytes]
    string_maps: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, words: _Optional[_Iterable[str]] = ..., strings: _Optional[_Iterable[bytes]] = ..., int64s: _Optional[_Mapping[int, int]] = ..., doubles: _Optional[_Mapping[int, float]] = ..., bools: _Optional[_Iterable[bytes]] = ..., timestamps: _Optional[_Mapping[int, _timestamp_pb2.Timestamp]] = ..., durations: _Optional[_Mapping[int, _duration_pb2.Duration]] = ..., bytes: _Optional[_Mapping[int, bytes]] = ..., string_maps: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Pair(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: int
    value: int
    def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...

class Flag(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: int
    value: bool
    def __init__(self, key: _Optional[int] = ..., value: _Optional[bool] = ...) -> None: ...

class Entries(_message.Message):
    __slots__ = ("key", "value")
    class StringMap(_message.Message):
        __slots__ = ("entries",)
        class EntriesEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: int
            value: int
            def __init__(self, key: _Optional[int] = ..., value: _Optional[int] = ...) -> None: ...
        ENTRIES_FIELD_NUMBER: _ClassVar[int]
        entries: _containers.ScalarMap[int, int]
        def __init__(self, entries: _Optional[_Mapping[int, int]] = ...) -> None: ...
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: int
    value: Entries.StringMap
    def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[Entries.StringMap, _Mapping]] = ...) -> None: ...

class ReportSize(_message.Message):
    __slots__ = ("attributes",)
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    attributes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, attributes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ReportRequest(_message.Message):
    __slots__ = ("attributes", "default_words", "global_word_count", "repeated_attributes_semantics")
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_WORDS_FIELD_NUMBER: _ClassVar[int]
    GLOBAL_WORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPEATED_ATTRIBUTES_SEMANTICS_FIELD_NUMBER: _ClassVar[int]
    attributes: _containers.RepeatedCompositeFieldContainer[Attributes]
    default_words: _containers.RepeatedScalarFieldContainer[str]
    global_word_count: int
    repeated_attributes_semantics: _mixer_pb2.ReportRequest.RepeatedAttributesSemantics
    def __init__(self, attributes: _Optional[_Iterable[_Union[Attributes, _Mapping]]] = ..., default_words: _Optional[_Iterable[str]] = ..., global_word_count: _Optional[int] = ..., repeated_attributes_semantics: _Optional[_Union[_mixer_pb2.ReportRequest.RepeatedAttributesSemantics, str]] = ...) -> None: ...
