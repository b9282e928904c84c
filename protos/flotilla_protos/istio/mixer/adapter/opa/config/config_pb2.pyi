import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("policy", "check_method", "fail_close", "server")
    class Server(_message.Message):
        __slots__ = ("url", "token_path", "ca_certificates", "client_certificate", "private_key", "timeout", "max_open_calls")
        URL_FIELD_NUMBER: _ClassVar[int]
        TOKEN_PATH_FIELD_NUMBER: _ClassVar[int]
        CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
        CLIENT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
        PRIVATE_KEY_FIELD_NUMBER: _ClassVar[int]
        TIMEOUT_FIELD_NUMBER: _ClassVar[int]
        MAX_OPEN_CALLS_FIELD_NUMBER: _ClassVar[int]
        url: str
        token_path: str
        ca_certificates: str
        client_certificate: str
        private_key: str
        timeout: _duration_pb2.Duration
        max_open_calls: int
        def __init__(self, url: _Optional[str] = ..., token_path: _Optional[str] = ..., ca_certificates: _Optional[str] = ..., client_certificate: _Optional[str] = ..., private_key: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_open_calls: _Optional[int] = ...) -> None: ...
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CHECK_METHOD_FIELD_NUMBER: _ClassVar[int]
    FAIL_CLOSE_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    policy: _containers.RepeatedScalarFieldContainer[str]
    check_method: str
    fail_close: bool
    server: Params.Server
    def __init__(self, policy: _Optional[_Iterable[str]] = ..., check_method: _Optional[str] = ..., fail_close: _Optional[bool] = ..., server: _Optional[_Union[Params.Server, _Mapping]] = ...) -> None: ...
