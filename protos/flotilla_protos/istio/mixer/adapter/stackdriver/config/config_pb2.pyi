import datetime

from google.api import metric_pb2 as _metric_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("endpoint", "project_id", "mesh_uid", "push_interval", "app_credentials", "api_key", "service_account_path", "api_key_path", "metric_info", "log_info", "trace", "location", "cluster_name", "plaintext", "ca_certificates", "logging_endpoint", "trace_endpoint", "replica_label")
    class MetricInfoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.MetricInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.MetricInfo, _Mapping]] = ...) -> None: ...
    class LogInfoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.LogInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.LogInfo, _Mapping]] = ...) -> None: ...
    class MetricInfo(_message.Message):
        __slots__ = ("kind", "value", "buckets", "metric_type")
        class BucketsDefinition(_message.Message):
            __slots__ = ("linear_buckets", "exponential_buckets", "explicit_buckets")
            class Linear(_message.Message):
                __slots__ = ("num_finite_buckets", "width", "offset")
                NUM_FINITE_BUCKETS_FIELD_NUMBER: _ClassVar[int]
                WIDTH_FIELD_NUMBER: _ClassVar[int]
                OFFSET_FIELD_NUMBER: _ClassVar[int]
                num_finite_buckets: int
                width: float
                offset: float
                def __init__(self, num_finite_buckets: _Optional[int] = ..., width: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...
            class Exponential(_message.Message):
                __slots__ = ("num_finite_buckets", "growth_factor", "scale")
                NUM_FINITE_BUCKETS_FIELD_NUMBER: _ClassVar[int]
                GROWTH_FACTOR_FIELD_NUMBER: _ClassVar[int]
                SCALE_FIELD_NUMBER: _ClassVar[int]
                num_finite_buckets: int
                growth_factor: float
                scale: float
                def __init__(self, num_finite_buckets: _Optional[int] = ..., growth_factor: _Optional[float] = ..., scale: _Optional[float] = ...) -> None: ...
            class Explicit(_message.Message):
                __slots__ = ("bounds",)
                BOUNDS_FIELD_NUMBER: _ClassVar[int]
                bounds: _containers.RepeatedScalarFieldContainer[float]
                def __init__(self, bounds: _Optional[_Iterable[float]] = ...) -> None: ...
            LINEAR_BUCKETS_FIELD_NUMBER: _ClassVar[int]
            EXPONENTIAL_BUCKETS_FIELD_NUMBER: _ClassVar[int]
            EXPLICIT_BUCKETS_FIELD_NUMBER: _ClassVar[int]
            linear_buckets: Params.MetricInfo.BucketsDefinition.Linear
            exponential_buckets: Params.MetricInfo.BucketsDefinition.Exponential
            explicit_buckets: Params.MetricInfo.BucketsDefinition.Explicit
            def __init__(self, linear_buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition.Linear, _Mapping]] = ..., exponential_buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition.Exponential, _Mapping]] = ..., explicit_buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition.Explicit, _Mapping]] = ...) -> None: ...
        KIND_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        BUCKETS_FIELD_NUMBER: _ClassVar[int]
        METRIC_TYPE_FIELD_NUMBER: _ClassVar[int]
        kind: _metric_pb2.MetricDescriptor.MetricKind
        value: _metric_pb2.MetricDescriptor.ValueType
        buckets: Params.MetricInfo.BucketsDefinition
        metric_type: str
        def __init__(self, kind: _Optional[_Union[_metric_pb2.MetricDescriptor.MetricKind, str]] = ..., value: _Optional[_Union[_metric_pb2.MetricDescriptor.ValueType, str]] = ..., buckets: _Optional[_Union[Params.MetricInfo.BucketsDefinition, _Mapping]] = ..., metric_type: _Optional[str] = ...) -> None: ...
    class LogInfo(_message.Message):
        __slots__ = ("label_names", "payload_template", "http_mapping", "sink_info", "trace", "span")
        class HttpRequestMapping(_message.Message):
            __slots__ = ("status", "request_size", "response_size", "latency", "local_ip", "remote_ip", "url", "method", "user_agent", "referer")
            STATUS_FIELD_NUMBER: _ClassVar[int]
            REQUEST_SIZE_FIELD_NUMBER: _ClassVar[int]
            RESPONSE_SIZE_FIELD_NUMBER: _ClassVar[int]
            LATENCY_FIELD_NUMBER: _ClassVar[int]
            LOCAL_IP_FIELD_NUMBER: _ClassVar[int]
            REMOTE_IP_FIELD_NUMBER: _ClassVar[int]
            URL_FIELD_NUMBER: _ClassVar[int]
            METHOD_FIELD_NUMBER: _ClassVar[int]
            USER_AGENT_FIELD_NUMBER: _ClassVar[int]
            REFERER_FIELD_NUMBER: _ClassVar[int]
            status: str
            request_size: str
            response_size: str
            latency: str
            local_ip: str
            remote_ip: str
            url: str
            method: str
            user_agent: str
            referer: str
            def __init__(self, status: _Optional[str] = ..., request_size: _Optional[str] = ..., response_size: _Optional[str] = ..., latency: _Optional[str] = ..., local_ip: _Optional[str] = ..., remote_ip: _Optional[str] = ..., url: _Optional[str] = ..., method: _Optional[str] = ..., user_agent: _Optional[str] = ..., referer: _Optional[str] = ...) -> None: ...
        class SinkInfo(_message.Message):
            __slots__ = ("id", "destination", "filter", "UniqueWriterIdentity", "UpdateDestination", "UpdateFilter", "UpdateIncludeChildren")
            ID_FIELD_NUMBER: _ClassVar[int]
            DESTINATION_FIELD_NUMBER: _ClassVar[int]
            FILTER_FIELD_NUMBER: _ClassVar[int]
            UNIQUEWRITERIDENTITY_FIELD_NUMBER: _ClassVar[int]
            UPDATEDESTINATION_FIELD_NUMBER: _ClassVar[int]
            UPDATEFILTER_FIELD_NUMBER: _ClassVar[int]
            UPDATEINCLUDECHILDREN_FIELD_NUMBER: _ClassVar[int]
            id: str
            destination: str
            filter: str
            UniqueWriterIdentity: bool
            UpdateDestination: bool
            UpdateFilter: bool
            UpdateIncludeChildren: bool
            def __init__(self, id: _Optional[str] = ..., destination: _Optional[str] = ..., filter: _Optional[str] = ..., UniqueWriterIdentity: _Optional[bool] = ..., UpdateDestination: _Optional[bool] = ..., UpdateFilter: _Optional[bool] = ..., UpdateIncludeChildren: _Optional[bool] = ...) -> None: ...
        LABEL_NAMES_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
        HTTP_MAPPING_FIELD_NUMBER: _ClassVar[int]
        SINK_INFO_FIELD_NUMBER: _ClassVar[int]
        TRACE_FIELD_NUMBER: _ClassVar[int]
        SPAN_FIELD_NUMBER: _ClassVar[int]
        label_names: _containers.RepeatedScalarFieldContainer[str]
        payload_template: str
        http_mapping: Params.LogInfo.HttpRequestMapping
        sink_info: Params.LogInfo.SinkInfo
        trace: str
        span: str
        def __init__(self, label_names: _Optional[_Iterable[str]] = ..., payload_template: _Optional[str] = ..., http_mapping: _Optional[_Union[Params.LogInfo.HttpRequestMapping, _Mapping]] = ..., sink_info: _Optional[_Union[Params.LogInfo.SinkInfo, _Mapping]] = ..., trace: _Optional[str] = ..., span: _Optional[str] = ...) -> None: ...
    class Trace(_message.Message):
        __slots__ = ("sample_probability",)
        SAMPLE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
        sample_probability: float
        def __init__(self, sample_probability: _Optional[float] = ...) -> None: ...
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    MESH_UID_FIELD_NUMBER: _ClassVar[int]
    PUSH_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    APP_CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_PATH_FIELD_NUMBER: _ClassVar[int]
    API_KEY_PATH_FIELD_NUMBER: _ClassVar[int]
    METRIC_INFO_FIELD_NUMBER: _ClassVar[int]
    LOG_INFO_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_NAME_FIELD_NUMBER: _ClassVar[int]
    PLAINTEXT_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    LOGGING_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TRACE_ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    REPLICA_LABEL_FIELD_NUMBER: _ClassVar[int]
    endpoint: str
    project_id: str
    mesh_uid: str
    push_interval: _duration_pb2.Duration
    app_credentials: bool
    api_key: str
    service_account_path: str
    api_key_path: str
    metric_info: _containers.MessageMap[str, Params.MetricInfo]
    log_info: _containers.MessageMap[str, Params.LogInfo]
    trace: Params.Trace
    location: str
    cluster_name: str
    plaintext: bool
    ca_certificates: str
    logging_endpoint: str
    trace_endpoint: str
    replica_label: str
    def __init__(self, endpoint: _Optional[str] = ..., project_id: _Optional[str] = ..., mesh_uid: _Optional[str] = ..., push_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., app_credentials: _Optional[bool] = ..., api_key: _Optional[str] = ..., service_account_path: _Optional[str] = ..., api_key_path: _Optional[str] = ..., metric_info: _Optional[_Mapping[str, Params.MetricInfo]] = ..., log_info: _Optional[_Mapping[str, Params.LogInfo]] = ..., trace: _Optional[_Union[Params.Trace, _Mapping]] = ..., location: _Optional[str] = ..., cluster_name: _Optional[str] = ..., plaintext: _Optional[bool] = ..., ca_certificates: _Optional[str] = ..., logging_endpoint: _Optional[str] = ..., trace_endpoint: _Optional[str] = ..., replica_label: _Optional[str] = ...) -> None: ...
