from flotilla_protos.istio.policy.v1beta1 import type_pb2 as _type_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Template(_message.Message):
    __slots__ = ("timestamp", "source_workload_namespace", "source_workload_name", "source_owner", "source_uid", "destination_workload_namespace", "destination_workload_name", "destination_owner", "destination_uid", "destination_service_namespace", "destination_service_name", "context_protocol", "api_protocol")
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    SOURCE_WORKLOAD_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_WORKLOAD_NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_OWNER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_UID_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_WORKLOAD_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_WORKLOAD_NAME_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_OWNER_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_UID_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_SERVICE_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_SERVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    API_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    timestamp: _type_pb2.TimeStamp
    source_workload_namespace: str
    source_workload_name: str
    source_owner: str
    source_uid: str
    destination_workload_namespace: str
    destination_workload_name: str
    destination_owner: str
    destination_uid: str
    destination_service_namespace: str
    destination_service_name: str
    context_protocol: str
    api_protocol: str
    def __init__(self, timestamp: _Optional[_Union[_type_pb2.TimeStamp, _Mapping]] = ..., source_workload_namespace: _Optional[str] = ..., source_workload_name: _Optional[str] = ..., source_owner: _Optional[str] = ..., source_uid: _Optional[str] = ..., destination_workload_namespace: _Optional[str] = ..., destination_workload_name: _Optional[str] = ..., destination_owner: _Optional[str] = ..., destination_uid: _Optional[str] = ..., destination_service_namespace: _Optional[str] = ..., destination_service_name: _Optional[str] = ..., context_protocol: _Optional[str] = ..., api_protocol: _Optional[str] = ...) -> None: ...
