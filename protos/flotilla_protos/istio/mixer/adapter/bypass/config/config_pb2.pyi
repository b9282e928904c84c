from google.protobuf import any_pb2 as _any_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("backend_address", "params", "session_based")
    BACKEND_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    SESSION_BASED_FIELD_NUMBER: _ClassVar[int]
    backend_address: str
    params: _any_pb2.Any
    session_based: bool
    def __init__(self, backend_address: _Optional[str] = ..., params: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., session_based: _Optional[bool] = ...) -> None: ...
