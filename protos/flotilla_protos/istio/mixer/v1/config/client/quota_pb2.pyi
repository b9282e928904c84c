from flotilla_protos.istio.mixer.v1.config.client import service_pb2 as _service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QuotaSpec(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[QuotaRule]
    def __init__(self, rules: _Optional[_Iterable[_Union[QuotaRule, _Mapping]]] = ...) -> None: ...

class QuotaRule(_message.Message):
    __slots__ = ("match", "quotas")
    MATCH_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    match: _containers.RepeatedCompositeFieldContainer[AttributeMatch]
    quotas: _containers.RepeatedCompositeFieldContainer[Quota]
    def __init__(self, match: _Optional[_Iterable[_Union[AttributeMatch, _Mapping]]] = ..., quotas: _Optional[_Iterable[_Union[Quota, _Mapping]]] = ...) -> None: ...

class StringMatch(_message.Message):
    __slots__ = ("exact", "prefix", "regex")
    EXACT_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    REGEX_FIELD_NUMBER: _ClassVar[int]
    exact: str
    prefix: str
    regex: str
    def __init__(self, exact: _Optional[str] = ..., prefix: _Optional[str] = ..., regex: _Optional[str] = ...) -> None: ...

class AttributeMatch(_message.Message):
    __slots__ = ("clause",)
    class ClauseEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: StringMatch
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[StringMatch, _Mapping]] = ...) -> None: ...
    CLAUSE_FIELD_NUMBER: _ClassVar[int]
    clause: _containers.MessageMap[str, StringMatch]
    def __init__(self, clause: _Optional[_Mapping[str, StringMatch]] = ...) -> None: ...

class Quota(_message.Message):
    __slots__ = ("quota", "charge")
    QUOTA_FIELD_NUMBER: _ClassVar[int]
    CHARGE_FIELD_NUMBER: _ClassVar[int]
    quota: str
    charge: int
    def __init__(self, quota: _Optional[str] = ..., charge: _Optional[int] = ...) -> None: ...

class QuotaSpecBinding(_message.Message):
    __slots__ = ("services", "quota_specs")
    class QuotaSpecReference(_message.Message):
        __slots__ = ("name", "namespace")
        NAME_FIELD_NUMBER: _ClassVar[int]
        NAMESPACE_FIELD_NUMBER: _ClassVar[int]
        name: str
        namespace: str
        def __init__(self, name: _Optional[str] = ..., namespace: _Optional[str] = ...) -> None: ...
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    QUOTA_SPECS_FIELD_NUMBER: _ClassVar[int]
    services: _containers.RepeatedCompositeFieldContainer[_service_pb2.IstioService]
    quota_specs: _containers.RepeatedCompositeFieldContainer[QuotaSpecBinding.QuotaSpecReference]
    def __init__(self, services: _Optional[_Iterable[_Union[_service_pb2.IstioService, _Mapping]]] = ..., quota_specs: _Optional[_Iterable[_Union[QuotaSpecBinding.QuotaSpecReference, _Mapping]]] = ...) -> None: ...
