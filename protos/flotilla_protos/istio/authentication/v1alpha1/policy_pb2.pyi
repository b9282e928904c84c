from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PrincipalBinding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USE_PEER: _ClassVar[PrincipalBinding]
    USE_ORIGIN: _ClassVar[PrincipalBinding]
USE_PEER: PrincipalBinding
USE_ORIGIN: PrincipalBinding

class StringMatch(_message.Message):
    __slots__ = ("exact", "prefix", "suffix", "regex")
    EXACT_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    SUFFIX_FIELD_NUMBER: _ClassVar[int]
    REGEX_FIELD_NUMBER: _ClassVar[int]
    exact: str
    prefix: str
    suffix: str
    regex: str
    def __init__(self, exact: _Optional[str] = ..., prefix: _Optional[str] = ..., suffix: _Optional[str] = ..., regex: _Optional[str] = ...) -> None: ...

class MutualTls(_message.Message):
    __slots__ = ("allow_tls", "mode")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STRICT: _ClassVar[MutualTls.Mode]
        PERMISSIVE: _ClassVar[MutualTls.Mode]
    STRICT: MutualTls.Mode
    PERMISSIVE: MutualTls.Mode
    ALLOW_TLS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    allow_tls: bool
    mode: MutualTls.Mode
    def __init__(self, allow_tls: _Optional[bool] = ..., mode: _Optional[_Union[MutualTls.Mode, str]] = ...) -> None: ...

class Jwt(_message.Message):
    __slots__ = ("issuer", "audiences", "jwks_uri", "jwks", "jwt_headers", "jwt_params", "trigger_rules")
    class TriggerRule(_message.Message):
        __slots__ = ("excluded_paths", "included_paths")
        EXCLUDED_PATHS_FIELD_NUMBER: _ClassVar[int]
        INCLUDED_PATHS_FIELD_NUMBER: _ClassVar[int]
        excluded_paths: _containers.RepeatedCompositeFieldContainer[StringMatch]
        included_paths: _containers.RepeatedCompositeFieldContainer[StringMatch]
        def __init__(self, excluded_paths: _Optional[_Iterable[_Union[StringMatch, _Mapping]]] = ..., included_paths: _Optional[_Iterable[_Union[StringMatch, _Mapping]]] = ...) -> None: ...
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    JWKS_URI_FIELD_NUMBER: _ClassVar[int]
    JWKS_FIELD_NUMBER: _ClassVar[int]
    JWT_HEADERS_FIELD_NUMBER: _ClassVar[int]
    JWT_PARAMS_FIELD_NUMBER: _ClassVar[int]
    TRIGGER_RULES_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    audiences: _containers.RepeatedScalarFieldContainer[str]
    jwks_uri: str
    jwks: str
    jwt_headers: _containers.RepeatedScalarFieldContainer[str]
    jwt_params: _containers.RepeatedScalarFieldContainer[str]
    trigger_rules: _containers.RepeatedCompositeFieldContainer[Jwt.TriggerRule]
    def __init__(self, issuer: _Optional[str] = ..., audiences: _Optional[_Iterable[str]] = ..., jwks_uri: _Optional[str] = ..., jwks: _Optional[str] = ..., jwt_headers: _Optional[_Iterable[str]] = ..., jwt_params: _Optional[_Iterable[str]] = ..., trigger_rules: _Optional[_Iterable[_Union[Jwt.TriggerRule, _Mapping]]] = ...) -> None: ...

class PeerAuthenticationMethod(_message.Message):
    __slots__ = ("mtls", "jwt")
    MTLS_FIELD_NUMBER: _ClassVar[int]
    JWT_FIELD_NUMBER: _ClassVar[int]
    mtls: MutualTls
    jwt: Jwt
    def __init__(self, mtls: _Optional[_Union[MutualTls, _Mapping]] = ..., jwt: _Optional[_Union[Jwt, _Mapping]] = ...) -> None: ...

class OriginAuthenticationMethod(_message.Message):
    __slots__ = ("jwt",)
    JWT_FIELD_NUMBER: _ClassVar[int]
    jwt: Jwt
    def __init__(self, jwt: _Optional[_Union[Jwt, _Mapping]] = ...) -> None: ...

class Policy(_message.Message):
    __slots__ = ("targets", "peers", "peer_is_optional", "origins", "origin_is_optional", "principal_binding")
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    PEER_IS_OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    ORIGINS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_IS_OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_BINDING_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.RepeatedCompositeFieldContainer[TargetSelector]
    peers: _containers.RepeatedCompositeFieldContainer[PeerAuthenticationMethod]
    peer_is_optional: bool
    origins: _containers.RepeatedCompositeFieldContainer[OriginAuthenticationMethod]
    origin_is_optional: bool
    principal_binding: PrincipalBinding
    def __init__(self, targets: _Optional[_Iterable[_Union[TargetSelector, _Mapping]]] = ..., peers: _Optional[_Iterable[_Union[PeerAuthenticationMethod, _Mapping]]] = ..., peer_is_optional: _Optional[bool] = ..., origins: _Optional[_Iterable[_Union[OriginAuthenticationMethod, _Mapping]]] = ..., origin_is_optional: _Optional[bool] = ..., principal_binding: _Optional[_Union[PrincipalBinding, str]] = ...) -> None: ...

class TargetSelector(_message.Message):
    __slots__ = ("name", "labels", "ports")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    labels: _containers.ScalarMap[str, str]
    ports: _containers.RepeatedCompositeFieldContainer[PortSelector]
    def __init__(self, name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., ports: _Optional[_Iterable[_Union[PortSelector, _Mapping]]] = ...) -> None: ...

class PortSelector(_message.Message):
    __slots__ = ("number", "name")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    number: int
    name: str
    def __init__(self, number: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...
