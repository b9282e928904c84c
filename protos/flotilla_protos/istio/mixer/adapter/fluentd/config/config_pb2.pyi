import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("address", "integer_duration", "instance_buffer_size", "max_batch_size_bytes", "push_interval_duration", "push_timeout_duration")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    INTEGER_DURATION_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_BUFFER_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUSH_INTERVAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    PUSH_TIMEOUT_DURATION_FIELD_NUMBER: _ClassVar[int]
    address: str
    integer_duration: bool
    instance_buffer_size: int
    max_batch_size_bytes: int
    push_interval_duration: _duration_pb2.Duration
    push_timeout_duration: _duration_pb2.Duration
    def __init__(self, address: _Optional[str] = ..., integer_duration: _Optional[bool] = ..., instance_buffer_size: _Optional[int] = ..., max_batch_size_bytes: _Optional[int] = ..., push_interval_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., push_timeout_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
