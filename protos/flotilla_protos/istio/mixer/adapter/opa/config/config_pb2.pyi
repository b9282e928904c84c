from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("policy", "check_method", "fail_close")
    POLICY_FIELD_NUMBER: _ClassVar[int]
    CHECK_METHOD_FIELD_NUMBER: _ClassVar[int]
    FAIL_CLOSE_FIELD_NUMBER: _ClassVar[int]
    policy: _containers.RepeatedScalarFieldContainer[str]
    check_method: str
    fail_close: bool
    def __init__(self, policy: _Optional[_Iterable[str]] = ..., check_method: _Optional[str] = ..., fail_close: _Optional[bool] = ...) -> None: ...
