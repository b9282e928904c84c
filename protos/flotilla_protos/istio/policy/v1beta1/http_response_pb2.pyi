from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HttpStatusCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    Empty: _ClassVar[HttpStatusCode]
    Continue: _ClassVar[HttpStatusCode]
    OK: _ClassVar[HttpStatusCode]
    Created: _ClassVar[HttpStatusCode]
    Accepted: _ClassVar[HttpStatusCode]
    NonAuthoritativeInformation: _ClassVar[HttpStatusCode]
    NoContent: _ClassVar[HttpStatusCode]
    ResetContent: _ClassVar[HttpStatusCode]
    PartialContent: _ClassVar[HttpStatusCode]
    MultiStatus: _ClassVar[HttpStatusCode]
    AlreadyReported: _ClassVar[HttpStatusCode]
    IMUsed: _ClassVar[HttpStatusCode]
    MultipleChoices: _ClassVar[HttpStatusCode]
    MovedPermanently: _ClassVar[HttpStatusCode]
    Found: _ClassVar[HttpStatusCode]
    SeeOther: _ClassVar[HttpStatusCode]
    NotModified: _ClassVar[HttpStatusCode]
    UseProxy: _ClassVar[HttpStatusCode]
    TemporaryRedirect: _ClassVar[HttpStatusCode]
    PermanentRedirect: _ClassVar[HttpStatusCode]
    BadRequest: _ClassVar[HttpStatusCode]
    Unauthorized: _ClassVar[HttpStatusCode]
    PaymentRequired: _ClassVar[HttpStatusCode]
    Forbidden: _ClassVar[HttpStatusCode]
    NotFound: _ClassVar[HttpStatusCode]
    MethodNotAllowed: _ClassVar[HttpStatusCode]
    NotAcceptable: _ClassVar[HttpStatusCode]
    ProxyAuthenticationRequired: _ClassVar[HttpStatusCode]
    RequestTimeout: _ClassVar[HttpStatusCode]
    Conflict: _ClassVar[HttpStatusCode]
    Gone: _ClassVar[HttpStatusCode]
    LengthRequired: _ClassVar[HttpStatusCode]
    PreconditionFailed: _ClassVar[HttpStatusCode]
    PayloadTooLarge: _ClassVar[HttpStatusCode]
    URITooLong: _ClassVar[HttpStatusCode]
    UnsupportedMediaType: _ClassVar[HttpStatusCode]
    RangeNotSatisfiable: _ClassVar[HttpStatusCode]
    ExpectationFailed: _ClassVar[HttpStatusCode]
    MisdirectedRequest: _ClassVar[HttpStatusCode]
    UnprocessableEntity: _ClassVar[HttpStatusCode]
    Locked: _ClassVar[HttpStatusCode]
    FailedDependency: _ClassVar[HttpStatusCode]
    UpgradeRequired: _ClassVar[HttpStatusCode]
    PreconditionRequired: _ClassVar[HttpStatusCode]
    TooManyRequests: _ClassVar[HttpStatusCode]
    RequestHeaderFieldsTooLarge: _ClassVar[HttpStatusCode]
    InternalServerError: _ClassVar[HttpStatusCode]
    NotImplemented: _ClassVar[HttpStatusCode]
    BadGateway: _ClassVar[HttpStatusCode]
    ServiceUnavailable: _ClassVar[HttpStatusCode]
    GatewayTimeout: _ClassVar[HttpStatusCode]
    HTTPVersionNotSupported: _ClassVar[HttpStatusCode]
    VariantAlsoNegotiates: _ClassVar[HttpStatusCode]
    InsufficientStorage: _ClassVar[HttpStatusCode]
    LoopDetected: _ClassVar[HttpStatusCode]
    NotExtended: _ClassVar[HttpStatusCode]
    NetworkAuthenticationRequired: _ClassVar[HttpStatusCode]
Empty: HttpStatusCode
Continue: HttpStatusCode
OK: HttpStatusCode
Created: HttpStatusCode
Accepted: HttpStatusCode
NonAuthoritativeInformation: HttpStatusCode
NoContent: HttpStatusCode
ResetContent: HttpStatusCode
PartialContent: HttpStatusCode
MultiStatus: HttpStatusCode
AlreadyReported: HttpStatusCode
IMUsed: HttpStatusCode
MultipleChoices: HttpStatusCode
MovedPermanently: HttpStatusCode
Found: HttpStatusCode
SeeOther: HttpStatusCode
NotModified: HttpStatusCode
UseProxy: HttpStatusCode
TemporaryRedirect: HttpStatusCode
PermanentRedirect: HttpStatusCode
BadRequest: HttpStatusCode
Unauthorized: HttpStatusCode
PaymentRequired: HttpStatusCode
Forbidden: HttpStatusCode
NotFound: HttpStatusCode
MethodNotAllowed: HttpStatusCode
NotAcceptable: HttpStatusCode
ProxyAuthenticationRequired: HttpStatusCode
RequestTimeout: HttpStatusCode
Conflict: HttpStatusCode
Gone: HttpStatusCode
LengthRequired: HttpStatusCode
PreconditionFailed: HttpStatusCode
PayloadTooLarge: HttpStatusCode
URITooLong: HttpStatusCode
UnsupportedMediaType: HttpStatusCode
RangeNotSatisfiable: HttpStatusCode
ExpectationFailed: HttpStatusCode
MisdirectedRequest: HttpStatusCode
UnprocessableEntity: HttpStatusCode
Locked: HttpStatusCode
FailedDependency: HttpStatusCode
UpgradeRequired: HttpStatusCode
PreconditionRequired: HttpStatusCode
TooManyRequests: HttpStatusCode
RequestHeaderFieldsTooLarge: HttpStatusCode
InternalServerError: HttpStatusCode
NotImplemented: HttpStatusCode
BadGateway: HttpStatusCode
ServiceUnavailable: HttpStatusCode
GatewayTimeout: HttpStatusCode
HTTPVersionNotSupported: HttpStatusCode
VariantAlsoNegotiates: HttpStatusCode
InsufficientStorage: HttpStatusCode
LoopDetected: HttpStatusCode
NotExtended: HttpStatusCode
NetworkAuthenticationRequired: HttpStatusCode

class DirectHttpResponse(_message.Message):
    __slots__ = ("code", "body", "headers")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    code: HttpStatusCode
    body: str
    headers: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[_Union[HttpStatusCode, str]] = ..., body: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ...) -> None: ...
