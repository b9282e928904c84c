from google.rpc import status_pb2 as _status_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CsrRequest(_message.Message):
    __slots__ = ("csr_pem", "node_agent_credential", "credential_type", "requested_ttl_minutes")
    CSR_PEM_FIELD_NUMBER: _ClassVar[int]
    NODE_AGENT_CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_TTL_MINUTES_FIELD_NUMBER: _ClassVar[int]
    csr_pem: bytes
    node_agent_credential: bytes
    credential_type: str
    requested_ttl_minutes: int
    def __init__(self, csr_pem: _Optional[bytes] = ..., node_agent_credential: _Optional[bytes] = ..., credential_type: _Optional[str] = ..., requested_ttl_minutes: _Optional[int] = ...) -> None: ...

class CsrResponse(_message.Message):
    __slots__ = ("is_approved", "status", "signed_cert", "cert_chain")
    IS_APPROVED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_CERT_FIELD_NUMBER: _ClassVar[int]
    CERT_CHAIN_FIELD_NUMBER: _ClassVar[int]
    is_approved: bool
    status: _status_pb2.Status
    signed_cert: bytes
    cert_chain: bytes
    def __init__(self, is_approved: _Optional[bool] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., signed_cert: _Optional[bytes] = ..., cert_chain: _Optional[bytes] = ...) -> None: ...
