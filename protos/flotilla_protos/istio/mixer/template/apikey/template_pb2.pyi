from flotilla_protos.istio.policy.v1beta1 import type_pb2 as _type_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Template(_message.Message):
    __slots__ = ("api", "api_version", "api_operation", "api_key", "timestamp")
    API_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    API_OPERATION_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    api: str
    api_version: str
    api_operation: str
    api_key: str
    timestamp: _type_pb2.TimeStamp
    def __init__(self, api: _Optional[str] = ..., api_version: _Optional[str] = ..., api_operation: _Optional[str] = ..., api_key: _Optional[str] = ..., timestamp: _Optional[_Union[_type_pb2.TimeStamp, _Mapping]] = ...) -> None: ...
