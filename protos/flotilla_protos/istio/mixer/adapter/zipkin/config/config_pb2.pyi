from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("url", "sample_probability")
    URL_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    url: str
    sample_probability: float
    def __init__(self, url: _Optional[str] = ..., sample_probability: _Optional[float] = ...) -> None: ...
