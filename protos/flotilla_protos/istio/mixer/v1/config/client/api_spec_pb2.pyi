from flotilla_protos.istio.mixer.v1 import attributes_pb2 as _attributes_pb2
from flotilla_protos.istio.mixer.v1.config.client import service_pb2 as _service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HTTPAPISpec(_message.Message):
    __slots__ = ("attributes", "patterns", "api_keys")
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PATTERNS_FIELD_NUMBER: _ClassVar[int]
    API_KEYS_FIELD_NUMBER: _ClassVar[int]
    attributes: _attributes_pb2.Attributes
    patterns: _containers.RepeatedCompositeFieldContainer[HTTPAPISpecPattern]
    api_keys: _containers.RepeatedCompositeFieldContainer[APIKey]
    def __init__(self, attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., patterns: _Optional[_Iterable[_Union[HTTPAPISpecPattern, _Mapping]]] = ..., api_keys: _Optional[_Iterable[_Union[APIKey, _Mapping]]] = ...) -> None: ...

class HTTPAPISpecPattern(_message.Message):
    __slots__ = ("attributes", "http_method", "uri_template", "regex")
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    HTTP_METHOD_FIELD_NUMBER: _ClassVar[int]
    URI_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    REGEX_FIELD_NUMBER: _ClassVar[int]
    attributes: _attributes_pb2.Attributes
    http_method: str
    uri_template: str
    regex: str
    def __init__(self, attributes: _Optional[_Union[_attributes_pb2.Attributes, _Mapping]] = ..., http_method: _Optional[str] = ..., uri_template: _Optional[str] = ..., regex: _Optional[str] = ...) -> None: ...

class APIKey(_message.Message):
    __slots__ = ("query", "header", "cookie")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    query: str
    header: str
    cookie: str
    def __init__(self, query: _Optional[str] = ..., header: _Optional[str] = ..., cookie: _Optional[str] = ...) -> None: ...

class HTTPAPISpecReference(_message.Message):
    __slots__ = ("name", "namespace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    namespace: str
    def __init__(self, name: _Optional[str] = ..., namespace: _Optional[str] = ...) -> None: ...

class HTTPAPISpecBinding(_message.Message):
    __slots__ = ("services", "api_specs")
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    API_SPECS_FIELD_NUMBER: _ClassVar[int]
    services: _containers.RepeatedCompositeFieldContainer[_service_pb2.IstioService]
    api_specs: _containers.RepeatedCompositeFieldContainer[HTTPAPISpecReference]
    def __init__(self, services: _Optional[_Iterable[_Union[_service_pb2.IstioService, _Mapping]]] = ..., api_specs: _Optional[_Iterable[_Union[HTTPAPISpecReference, _Mapping]]] = ...) -> None: ...
