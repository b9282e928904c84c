import datetime

from flotilla_protos.istio.policy.v1beta1 import value_type_pb2 as _value_type_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttributeManifest(_message.Message):
    __slots__ = ("revision", "name", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AttributeManifest.AttributeInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttributeManifest.AttributeInfo, _Mapping]] = ...) -> None: ...
    class AttributeInfo(_message.Message):
        __slots__ = ("description", "value_type")
        DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
        VALUE_TYPE_FIELD_NUMBER: _ClassVar[int]
        description: str
        value_type: _value_type_pb2.ValueType
        def __init__(self, description: _Optional[str] = ..., value_type: _Optional[_Union[_value_type_pb2.ValueType, str]] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    revision: str
    name: str
    attributes: _containers.MessageMap[str, AttributeManifest.AttributeInfo]
    def __init__(self, revision: _Optional[str] = ..., name: _Optional[str] = ..., attributes: _Optional[_Mapping[str, AttributeManifest.AttributeInfo]] = ...) -> None: ...

class Rule(_message.Message):
    __slots__ = ("match", "actions", "request_header_operations", "response_header_operations", "sampling")
    class HeaderOperationTemplate(_message.Message):
        __slots__ = ("name", "values", "operation")
        class Operation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            REPLACE: _ClassVar[Rule.HeaderOperationTemplate.Operation]
            REMOVE: _ClassVar[Rule.HeaderOperationTemplate.Operation]
            APPEND: _ClassVar[Rule.HeaderOperationTemplate.Operation]
        REPLACE: Rule.HeaderOperationTemplate.Operation
        REMOVE: Rule.HeaderOperationTemplate.Operation
        APPEND: Rule.HeaderOperationTemplate.Operation
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALUES_FIELD_NUMBER: _ClassVar[int]
        OPERATION_FIELD_NUMBER: _ClassVar[int]
        name: str
        values: _containers.RepeatedScalarFieldContainer[str]
        operation: Rule.HeaderOperationTemplate.Operation
        def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ..., operation: _Optional[_Union[Rule.HeaderOperationTemplate.Operation, str]] = ...) -> None: ...
    MATCH_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_HEADER_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_HEADER_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    match: str
    actions: _containers.RepeatedCompositeFieldContainer[Action]
    request_header_operations: _containers.RepeatedCompositeFieldContainer[Rule.HeaderOperationTemplate]
    response_header_operations: _containers.RepeatedCompositeFieldContainer[Rule.HeaderOperationTemplate]
    sampling: Sampling
    def __init__(self, match: _Optional[str] = ..., actions: _Optional[_Iterable[_Union[Action, _Mapping]]] = ..., request_header_operations: _Optional[_Iterable[_Union[Rule.HeaderOperationTemplate, _Mapping]]] = ..., response_header_operations: _Optional[_Iterable[_Union[Rule.HeaderOperationTemplate, _Mapping]]] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("handler", "instances", "name")
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    handler: str
    instances: _containers.RepeatedScalarFieldContainer[str]
    name: str
    def __init__(self, handler: _Optional[str] = ..., instances: _Optional[_Iterable[str]] = ..., name: _Optional[str] = ...) -> None: ...

class Instance(_message.Message):
    __slots__ = ("name", "compiled_template", "template", "params", "attribute_bindings")
    class AttributeBindingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMPILED_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_BINDINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    compiled_template: str
    template: str
    params: _struct_pb2.Struct
    attribute_bindings: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., compiled_template: _Optional[str] = ..., template: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., attribute_bindings: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Handler(_message.Message):
    __slots__ = ("name", "compiled_adapter", "adapter", "params", "connection")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMPILED_ADAPTER_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    compiled_adapter: str
    adapter: str
    params: _struct_pb2.Struct
    connection: Connection
    def __init__(self, name: _Optional[str] = ..., compiled_adapter: _Optional[str] = ..., adapter: _Optional[str] = ..., params: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., connection: _Optional[_Union[Connection, _Mapping]] = ...) -> None: ...

class Connection(_message.Message):
    __slots__ = ("address", "timeout", "authentication")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    address: str
    timeout: _duration_pb2.Duration
    authentication: Authentication
    def __init__(self, address: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., authentication: _Optional[_Union[Authentication, _Mapping]] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("random", "rate_limit")
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    RATE_LIMIT_FIELD_NUMBER: _ClassVar[int]
    random: RandomSampling
    rate_limit: RateLimitSampling
    def __init__(self, random: _Optional[_Union[RandomSampling, _Mapping]] = ..., rate_limit: _Optional[_Union[RateLimitSampling, _Mapping]] = ...) -> None: ...

class RandomSampling(_message.Message):
    __slots__ = ("attribute_expression", "percent_sampled", "use_independent_randomness")
    ATTRIBUTE_EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    PERCENT_SAMPLED_FIELD_NUMBER: _ClassVar[int]
    USE_INDEPENDENT_RANDOMNESS_FIELD_NUMBER: _ClassVar[int]
    attribute_expression: str
    percent_sampled: FractionalPercent
    use_independent_randomness: bool
    def __init__(self, attribute_expression: _Optional[str] = ..., percent_sampled: _Optional[_Union[FractionalPercent, _Mapping]] = ..., use_independent_randomness: _Optional[bool] = ...) -> None: ...

class RateLimitSampling(_message.Message):
    __slots__ = ("sampling_duration", "max_unsampled_entries", "sampling_rate")
    SAMPLING_DURATION_FIELD_NUMBER: _ClassVar[int]
    MAX_UNSAMPLED_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_RATE_FIELD_NUMBER: _ClassVar[int]
    sampling_duration: _duration_pb2.Duration
    max_unsampled_entries: int
    sampling_rate: int
    def __init__(self, sampling_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_unsampled_entries: _Optional[int] = ..., sampling_rate: _Optional[int] = ...) -> None: ...

class FractionalPercent(_message.Message):
    __slots__ = ("numerator", "denominator")
    class DenominatorType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        HUNDRED: _ClassVar[FractionalPercent.DenominatorType]
        TEN_THOUSAND: _ClassVar[FractionalPercent.DenominatorType]
    HUNDRED: FractionalPercent.DenominatorType
    TEN_THOUSAND: FractionalPercent.DenominatorType
    NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    numerator: int
    denominator: FractionalPercent.DenominatorType
    def __init__(self, numerator: _Optional[int] = ..., denominator: _Optional[_Union[FractionalPercent.DenominatorType, str]] = ...) -> None: ...

class Authentication(_message.Message):
    __slots__ = ("tls", "mutual")
    TLS_FIELD_NUMBER: _ClassVar[int]
    MUTUAL_FIELD_NUMBER: _ClassVar[int]
    tls: Tls
    mutual: Mutual
    def __init__(self, tls: _Optional[_Union[Tls, _Mapping]] = ..., mutual: _Optional[_Union[Mutual, _Mapping]] = ...) -> None: ...

class Tls(_message.Message):
    __slots__ = ("ca_certificates", "token_path", "oauth", "auth_header", "custom_header", "server_name")
    class AuthHeader(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PLAIN: _ClassVar[Tls.AuthHeader]
        BEARER: _ClassVar[Tls.AuthHeader]
    PLAIN: Tls.AuthHeader
    BEARER: Tls.AuthHeader
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    TOKEN_PATH_FIELD_NUMBER: _ClassVar[int]
    OAUTH_FIELD_NUMBER: _ClassVar[int]
    AUTH_HEADER_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_HEADER_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    ca_certificates: str
    token_path: str
    oauth: OAuth
    auth_header: Tls.AuthHeader
    custom_header: str
    server_name: str
    def __init__(self, ca_certificates: _Optional[str] = ..., token_path: _Optional[str] = ..., oauth: _Optional[_Union[OAuth, _Mapping]] = ..., auth_header: _Optional[_Union[Tls.AuthHeader, str]] = ..., custom_header: _Optional[str] = ..., server_name: _Optional[str] = ...) -> None: ...

class OAuth(_message.Message):
    __slots__ = ("client_id", "client_secret", "token_url", "scopes", "endpoint_params")
    class EndpointParamsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    TOKEN_URL_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_PARAMS_FIELD_NUMBER: _ClassVar[int]
    client_id: str
    client_secret: str
    token_url: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    endpoint_params: _containers.ScalarMap[str, str]
    def __init__(self, client_id: _Optional[str] = ..., client_secret: _Optional[str] = ..., token_url: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., endpoint_params: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Mutual(_message.Message):
    __slots__ = ("private_key", "client_certificate", "ca_certificates", "server_name")
    PRIVATE_KEY_FIELD_NUMBER: _ClassVar[int]
    CLIENT_CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    SERVER_NAME_FIELD_NUMBER: _ClassVar[int]
    private_key: str
    client_certificate: str
    ca_certificates: str
    server_name: str
    def __init__(self, private_key: _Optional[str] = ..., client_certificate: _Optional[str] = ..., ca_certificates: _Optional[str] = ..., server_name: _Optional[str] = ...) -> None: ...
