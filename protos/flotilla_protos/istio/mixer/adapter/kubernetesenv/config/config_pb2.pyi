import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("kubeconfig_path", "cache_refresh_duration", "cluster_registries_namespace")
    KUBECONFIG_PATH_FIELD_NUMBER: _ClassVar[int]
    CACHE_REFRESH_DURATION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_REGISTRIES_NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    kubeconfig_path: str
    cache_refresh_duration: _duration_pb2.Duration
    cluster_registries_namespace: str
    def __init__(self, kubeconfig_path: _Optional[str] = ..., cache_refresh_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cluster_registries_namespace: _Optional[str] = ...) -> None: ...
