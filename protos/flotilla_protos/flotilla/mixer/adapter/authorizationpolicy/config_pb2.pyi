import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("valid_duration", "valid_use_count", "permissive")
    VALID_DURATION_FIELD_NUMBER: _ClassVar[int]
    VALID_USE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PERMISSIVE_FIELD_NUMBER: _ClassVar[int]
    valid_duration: _duration_pb2.Duration
    valid_use_count: int
    permissive: bool
    def __init__(self, valid_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., valid_use_count: _Optional[int] = ..., permissive: _Optional[bool] = ...) -> None: ...
