import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("url", "sample_probability", "encoding", "shared_spans", "max_tag_length", "flush_duration", "flush_spans", "gzip_bytes", "username", "password_file", "bearer_token_file", "ca_file")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        JSON: _ClassVar[Params.Encoding]
        PROTO: _ClassVar[Params.Encoding]
    JSON: Params.Encoding
    PROTO: Params.Encoding
    URL_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SHARED_SPANS_FIELD_NUMBER: _ClassVar[int]
    MAX_TAG_LENGTH_FIELD_NUMBER: _ClassVar[int]
    FLUSH_DURATION_FIELD_NUMBER: _ClassVar[int]
    FLUSH_SPANS_FIELD_NUMBER: _ClassVar[int]
    GZIP_BYTES_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FILE_FIELD_NUMBER: _ClassVar[int]
    BEARER_TOKEN_FILE_FIELD_NUMBER: _ClassVar[int]
    CA_FILE_FIELD_NUMBER: _ClassVar[int]
    url: str
    sample_probability: float
    encoding: Params.Encoding
    shared_spans: bool
    max_tag_length: int
    flush_duration: _duration_pb2.Duration
    flush_spans: int
    gzip_bytes: int
    username: str
    password_file: str
    bearer_token_file: str
    ca_file: str
    def __init__(self, url: _Optional[str] = ..., sample_probability: _Optional[float] = ..., encoding: _Optional[_Union[Params.Encoding, str]] = ..., shared_spans: _Optional[bool] = ..., max_tag_length: _Optional[int] = ..., flush_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., flush_spans: _Optional[int] = ..., gzip_bytes: _Optional[int] = ..., username: _Optional[str] = ..., password_file: _Optional[str] = ..., bearer_token_file: _Optional[str] = ..., ca_file: _Optional[str] = ...) -> None: ...
