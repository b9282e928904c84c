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
    __slots__ = ("address", "integer_duration", "instance_buffer_size", "max_batch_size_bytes", "push_interval_duration", "push_timeout_duration", "require_ack_response", "compression", "shared_key_file", "username", "password_file", "self_hostname", "tls", "standby_addresses")
    class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        NONE: _ClassVar[Params.Compression]
        GZIP: _ClassVar[Params.Compression]
    NONE: Params.Compression
    GZIP: Params.Compression
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
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    INTEGER_DURATION_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_BUFFER_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUSH_INTERVAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    PUSH_TIMEOUT_DURATION_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_ACK_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    SHARED_KEY_FILE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FILE_FIELD_NUMBER: _ClassVar[int]
    SELF_HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    TLS_FIELD_NUMBER: _ClassVar[int]
    STANDBY_ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    address: str
    integer_duration: bool
    instance_buffer_size: int
    max_batch_size_bytes: int
    push_interval_duration: _duration_pb2.Duration
    push_timeout_duration: _duration_pb2.Duration
    require_ack_response: bool
    compression: Params.Compression
    shared_key_file: str
    username: str
    password_file: str
    self_hostname: str
    tls: Params.Tls
    standby_addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, address: _Optional[str] = ..., integer_duration: _Optional[bool] = ..., instance_buffer_size: _Optional[int] = ..., max_batch_size_bytes: _Optional[int] = ..., push_interval_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., push_timeout_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., require_ack_response: _Optional[bool] = ..., compression: _Optional[_Union[Params.Compression, str]] = ..., shared_key_file: _Optional[str] = ..., username: _Optional[str] = ..., password_file: _Optional[str] = ..., self_hostname: _Optional[str] = ..., tls: _Optional[_Union[Params.Tls, _Mapping]] = ..., standby_addresses: _Optional[_Iterable[str]] = ...) -> None: ...
