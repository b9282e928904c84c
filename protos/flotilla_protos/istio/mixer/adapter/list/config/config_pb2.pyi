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
    __slots__ = ("provider_url", "refresh_interval", "ttl", "caching_interval", "caching_use_count", "overrides", "entry_type", "blacklist")
    class ListEntryType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STRINGS: _ClassVar[Params.ListEntryType]
        CASE_INSENSITIVE_STRINGS: _ClassVar[Params.ListEntryType]
        IP_ADDRESSES: _ClassVar[Params.ListEntryType]
        REGEX: _ClassVar[Params.ListEntryType]
    STRINGS: Params.ListEntryType
    CASE_INSENSITIVE_STRINGS: Params.ListEntryType
    IP_ADDRESSES: Params.ListEntryType
    REGEX: Params.ListEntryType
    PROVIDER_URL_FIELD_NUMBER: _ClassVar[int]
    REFRESH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    CACHING_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CACHING_USE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OVERRIDES_FIELD_NUMBER: _ClassVar[int]
    ENTRY_TYPE_FIELD_NUMBER: _ClassVar[int]
    BLACKLIST_FIELD_NUMBER: _ClassVar[int]
    provider_url: str
    refresh_interval: _duration_pb2.Duration
    ttl: _duration_pb2.Duration
    caching_interval: _duration_pb2.Duration
    caching_use_count: int
    overrides: _containers.RepeatedScalarFieldContainer[str]
    entry_type: Params.ListEntryType
    blacklist: bool
    def __init__(self, provider_url: _Optional[str] = ..., refresh_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ttl: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., caching_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., caching_use_count: _Optional[int] = ..., overrides: _Optional[_Iterable[str]] = ..., entry_type: _Optional[_Union[Params.ListEntryType, str]] = ..., blacklist: _Optional[bool] = ...) -> None: ...
