import datetime

from flotilla_protos.istio.mixer.v1 import attributes_pb2 as _attributes_pb2
from flotilla_protos.istio.mixer.v1.config.client import api_spec_pb2 as _api_spec_pb2
from flotilla_protos.istio.mixer.v1.config.client import quota_pb2 as _quota_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NetworkFailPolicy(_message.Message):
    __slots__ = ("policy", "max_retry", "base_retry_wait", "max_retry_wait")
    class FailPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FAIL_OPEN: _ClassVar[NetworkFailPolicy.FailPolicy]
        FAIL_CLOSE: _ClassVar[NetworkFailPolicy.FailPolicy]
    FAIL_OPEN: NetworkFailPolicy.FailPolicy
    FAIL_CLOSE: NetworkFailPolicy.FailPolicy
    POLICY_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRY_FIELD_NUMBER: _ClassVar[int]
    BASE_RETRY_WAIT_FIELD_NUMBER: _ClassVar[int]
    MAX_RETRY_WAIT_FIELD_NUMBER: _ClassVar[int]
    policy: NetworkFailPolicy.FailPolicy
    max_retry: int
    base_retry_wait: _duration_pb2.Duration
    max_retry_wait: _duration_pb2.Duration
    def __init__(self, policy: _Optional[_Union[NetworkFailPolicy.FailPolicy, str]] = ..., max_retry: _Optional[int] = ..., base_retry_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_retry_wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ServiceConfig(_message.Message):
    __slots__ = ("disable_check_calls", "disable_report_calls", "mixer_attributes", "http_api_spec", "quota_spec", "network_fail_policy", "forward_attributes")
    DISABLE_CHECK_CALLS_FIELD_NUMBER: _ClassVar[int]
    DISABLE_REPORT_CALLS_FIELD_NUMBER: _ClassVar[int]
    MIXER_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    HTTP_API_SPEC_FIELD_NUMBER: _ClassVar[int]
    QUOTA_SPEC_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FAIL_POLICY_FIELD_NUMBER: _ClassVar[int]
    FORWARD_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    disable_check_calls: bool
    disable_report_calls: bool
    mixer_attributes: _attributes_pb2.Attributes
    http_api_spec: _containers.RepeatedCompositeFieldContainer[_api_spec_pb2.HTTPAPISpec]
    quota_spec: _containers.RepeatedCompositeFieldContainer[_quota_pb2.QuotaSpec]
    network_fail_policy: NetworkFailPolicy
    forward_attributes: _attributes_pb2.Attributes
    def __init__(self, disable_check_calls: _Optional[bool] = ..., disable_report_calls: _Optional[bool] = ..., mixer_attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., http_api_spec: _Optional[_Iterable[_Union[_api_spec_pb2.HTTPAPISpec, _Mapping]]] = ..., quota_spec: _Optional[_Iterable[_Union[_quota_pb2.QuotaSpec, _Mapping]]] = ..., network_fail_policy: _Optional[_Union[NetworkFailPolicy, _Mapping]] = ..., forward_attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ...) -> None: ...

class TransportConfig(_message.Message):
    __slots__ = ("disable_check_cache", "disable_quota_cache", "disable_report_batch", "network_fail_policy", "stats_update_interval", "check_cluster", "report_cluster", "attributes_for_mixer_proxy", "report_batch_max_entries", "report_batch_max_time")
    DISABLE_CHECK_CACHE_FIELD_NUMBER: _ClassVar[int]
    DISABLE_QUOTA_CACHE_FIELD_NUMBER: _ClassVar[int]
    DISABLE_REPORT_BATCH_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FAIL_POLICY_FIELD_NUMBER: _ClassVar[int]
    STATS_UPDATE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CHECK_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    REPORT_CLUSTER_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FOR_MIXER_PROXY_FIELD_NUMBER: _ClassVar[int]
    REPORT_BATCH_MAX_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REPORT_BATCH_MAX_TIME_FIELD_NUMBER: _ClassVar[int]
    disable_check_cache: bool
    disable_quota_cache: bool
    disable_report_batch: bool
    network_fail_policy: NetworkFailPolicy
    stats_update_interval: _duration_pb2.Duration
    check_cluster: str
    report_cluster: str
    attributes_for_mixer_proxy: _attributes_pb2.Attributes
    report_batch_max_entries: int
    report_batch_max_time: _duration_pb2.Duration
    def __init__(self, disable_check_cache: _Optional[bool] = ..., disable_quota_cache: _Optional[bool] = ..., disable_report_batch: _Optional[bool] = ..., network_fail_policy: _Optional[_Union[NetworkFailPolicy, _Mapping]] = ..., stats_update_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., check_cluster: _Optional[str] = ..., report_cluster: _Optional[str] = ..., attributes_for_mixer_proxy: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., report_batch_max_entries: _Optional[int] = ..., report_batch_max_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HttpClientConfig(_message.Message):
    __slots__ = ("transport", "service_configs", "default_destination_service", "mixer_attributes", "forward_attributes", "ignore_forwarded_attributes")
    class ServiceConfigsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ServiceConfig
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ServiceConfig, _Mapping]] = ...) -> None: ...
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_CONFIGS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_DESTINATION_SERVICE_FIELD_NUMBER: _ClassVar[int]
    MIXER_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    FORWARD_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    IGNORE_FORWARDED_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    transport: TransportConfig
    service_configs: _containers.MessageMap[str, ServiceConfig]
    default_destination_service: str
    mixer_attributes: _attributes_pb2.Attributes
    forward_attributes: _attributes_pb2.Attributes
    ignore_forwarded_attributes: bool
    def __init__(self, transport: _Optional[_Union[TransportConfig, _Mapping]] = ..., service_configs: _Optional[_Mapping[str, ServiceConfig]] = ..., default_destination_service: _Optional[str] = ..., mixer_attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., forward_attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., ignore_forwarded_attributes: _Optional[bool] = ...) -> None: ...

class TcpClientConfig(_message.Message):
    __slots__ = ("transport", "mixer_attributes", "disable_check_calls", "disable_report_calls", "connection_quota_spec", "report_interval")
    TRANSPORT_FIELD_NUMBER: _ClassVar[int]
    MIXER_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    DISABLE_CHECK_CALLS_FIELD_NUMBER: _ClassVar[int]
    DISABLE_REPORT_CALLS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_QUOTA_SPEC_FIELD_NUMBER: _ClassVar[int]
    REPORT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    transport: TransportConfig
    mixer_attributes: _attributes_pb2.Attributes
    disable_check_calls: bool
    disable_report_calls: bool
    connection_quota_spec: _quota_pb2.QuotaSpec
    report_interval: _duration_pb2.Duration
    def __init__(self, transport: _Optional[_Union[TransportConfig, _Mapping]] = ..., mixer_attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., disable_check_calls: _Optional[bool] = ..., disable_report_calls: _Optional[bool] = ..., connection_quota_spec: _Optional[_Union[_quota_pb2.QuotaSpec, _Mapping]] = ..., report_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
