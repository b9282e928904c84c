from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Params(_message.Message):
    __slots__ = ("log_stream", "severity_levels", "metric_level", "output_as_json", "output_level", "output_path", "max_megabytes_before_rotation", "max_days_before_rotation", "max_rotated_files")
    class Stream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STDOUT: _ClassVar[Params.Stream]
        STDERR: _ClassVar[Params.Stream]
        FILE: _ClassVar[Params.Stream]
        ROTATED_FILE: _ClassVar[Params.Stream]
    STDOUT: Params.Stream
    STDERR: Params.Stream
    FILE: Params.Stream
    ROTATED_FILE: Params.Stream
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        INFO: _ClassVar[Params.Level]
        WARNING: _ClassVar[Params.Level]
        ERROR: _ClassVar[Params.Level]
    INFO: Params.Level
    WARNING: Params.Level
    ERROR: Params.Level
    class SeverityLevelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Params.Level
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Params.Level, str]] = ...) -> None: ...
    LOG_STREAM_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_LEVELS_FIELD_NUMBER: _ClassVar[int]
    METRIC_LEVEL_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AS_JSON_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_LEVEL_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PATH_FIELD_NUMBER: _ClassVar[int]
    MAX_MEGABYTES_BEFORE_ROTATION_FIELD_NUMBER: _ClassVar[int]
    MAX_DAYS_BEFORE_ROTATION_FIELD_NUMBER: _ClassVar[int]
    MAX_ROTATED_FILES_FIELD_NUMBER: _ClassVar[int]
    log_stream: Params.Stream
    severity_levels: _containers.ScalarMap[str, Params.Level]
    metric_level: Params.Level
    output_as_json: bool
    output_level: Params.Level
    output_path: str
    max_megabytes_before_rotation: int
    max_days_before_rotation: int
    max_rotated_files: int
    def __init__(self, log_stream: _Optional[_Union[Params.Stream, str]] = ..., severity_levels: _Optional[_Mapping[str, Params.Level]] = ..., metric_level: _Optional[_Union[Params.Level, str]] = ..., output_as_json: _Optional[bool] = ..., output_level: _Optional[_Union[Params.Level, str]] = ..., output_path: _Optional[str] = ..., max_megabytes_before_rotation: _Optional[int] = ..., max_days_before_rotation: _Optional[int] = ..., max_rotated_files: _Optional[int] = ...) -> None: ...
