from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EnforcementMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENFORCED: _ClassVar[EnforcementMode]
    PERMISSIVE: _ClassVar[EnforcementMode]
ENFORCED: EnforcementMode
PERMISSIVE: EnforcementMode

class ServiceRole(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[AccessRule]
    def __init__(self, rules: _Optional[_Iterable[_Union[AccessRule, _Mapping]]] = ...) -> None: ...

class AccessRule(_message.Message):
    __slots__ = ("services", "hosts", "not_hosts", "paths", "not_paths", "methods", "not_methods", "ports", "not_ports", "constraints")
    class Constraint(_message.Message):
        __slots__ = ("key", "values")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUES_FIELD_NUMBER: _ClassVar[int]
        key: str
        values: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, key: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...
    SERVICES_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    NOT_HOSTS_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    NOT_PATHS_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    NOT_METHODS_FIELD_NUMBER: _ClassVar[int]
    PORTS_FIELD_NUMBER: _ClassVar[int]
    NOT_PORTS_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    services: _containers.RepeatedScalarFieldContainer[str]
    hosts: _containers.RepeatedScalarFieldContainer[str]
    not_hosts: _containers.RepeatedScalarFieldContainer[str]
    paths: _containers.RepeatedScalarFieldContainer[str]
    not_paths: _containers.RepeatedScalarFieldContainer[str]
    methods: _containers.RepeatedScalarFieldContainer[str]
    not_methods: _containers.RepeatedScalarFieldContainer[str]
    ports: _containers.RepeatedScalarFieldContainer[int]
    not_ports: _containers.RepeatedScalarFieldContainer[int]
    constraints: _containers.RepeatedCompositeFieldContainer[AccessRule.Constraint]
    def __init__(self, services: _Optional[_Iterable[str]] = ..., hosts: _Optional[_Iterable[str]] = ..., not_hosts: _Optional[_Iterable[str]] = ..., paths: _Optional[_Iterable[str]] = ..., not_paths: _Optional[_Iterable[str]] = ..., methods: _Optional[_Iterable[str]] = ..., not_methods: _Optional[_Iterable[str]] = ..., ports: _Optional[_Iterable[int]] = ..., not_ports: _Optional[_Iterable[int]] = ..., constraints: _Optional[_Iterable[_Union[AccessRule.Constraint, _Mapping]]] = ...) -> None: ...

class ServiceRoleBinding(_message.Message):
    __slots__ = ("subjects", "roleRef", "mode", "actions", "role")
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    ROLEREF_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    subjects: _containers.RepeatedCompositeFieldContainer[Subject]
    roleRef: RoleRef
    mode: EnforcementMode
    actions: _containers.RepeatedCompositeFieldContainer[AccessRule]
    role: str
    def __init__(self, subjects: _Optional[_Iterable[_Union[Subject, _Mapping]]] = ..., roleRef: _Optional[_Union[RoleRef, _Mapping]] = ..., mode: _Optional[_Union[EnforcementMode, str]] = ..., actions: _Optional[_Iterable[_Union[AccessRule, _Mapping]]] = ..., role: _Optional[str] = ...) -> None: ...

class Subject(_message.Message):
    __slots__ = ("user", "names", "not_names", "group", "groups", "not_groups", "namespaces", "not_namespaces", "ips", "not_ips", "properties")
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    NOT_NAMES_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NOT_GROUPS_FIELD_NUMBER: _ClassVar[int]
    NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    NOT_NAMESPACES_FIELD_NUMBER: _ClassVar[int]
    IPS_FIELD_NUMBER: _ClassVar[int]
    NOT_IPS_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    user: str
    names: _containers.RepeatedScalarFieldContainer[str]
    not_names: _containers.RepeatedScalarFieldContainer[str]
    group: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    not_groups: _containers.RepeatedScalarFieldContainer[str]
    namespaces: _containers.RepeatedScalarFieldContainer[str]
    not_namespaces: _containers.RepeatedScalarFieldContainer[str]
    ips: _containers.RepeatedScalarFieldContainer[str]
    not_ips: _containers.RepeatedScalarFieldContainer[str]
    properties: _containers.ScalarMap[str, str]
    def __init__(self, user: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., not_names: _Optional[_Iterable[str]] = ..., group: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., not_groups: _Optional[_Iterable[str]] = ..., namespaces: _Optional[_Iterable[str]] = ..., not_namespaces: _Optional[_Iterable[str]] = ..., ips: _Optional[_Iterable[str]] = ..., not_ips: _Optional[_Iterable[str]] = ..., properties: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RoleRef(_message.Message):
    __slots__ = ("kind", "name")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class RbacConfig(_message.Message):
    __slots__ = ("mode", "inclusion", "exclusion", "enforcement_mode")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OFF: _ClassVar[RbacConfig.Mode]
        ON: _ClassVar[RbacConfig.Mode]
        ON_WITH_INCLUSION: _ClassVar[RbacConfig.Mode]
        ON_WITH_EXCLUSION: _ClassVar[RbacConfig.Mode]
    OFF: RbacConfig.Mode
    ON: RbacConfig.Mode
    ON_WITH_INCLUSION: RbacConfig.Mode
    ON_WITH_EXCLUSION: RbacConfig.Mode
    class Target(_message.Message):
        __slots__ = ("services", "namespaces")
        SERVICES_FIELD_NUMBER: _ClassVar[int]
        NAMESPACES_FIELD_NUMBER: _ClassVar[int]
        services: _containers.RepeatedScalarFieldContainer[str]
        namespaces: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, services: _Optional[_Iterable[str]] = ..., namespaces: _Optional[_Iterable[str]] = ...) -> None: ...
    MODE_FIELD_NUMBER: _ClassVar[int]
    INCLUSION_FIELD_NUMBER: _ClassVar[int]
    EXCLUSION_FIELD_NUMBER: _ClassVar[int]
    ENFORCEMENT_MODE_FIELD_NUMBER: _ClassVar[int]
    mode: RbacConfig.Mode
    inclusion: RbacConfig.Target
    exclusion: RbacConfig.Target
    enforcement_mode: EnforcementMode
    def __init__(self, mode: _Optional[_Union[RbacConfig.Mode, str]] = ..., inclusion: _Optional[_Union[RbacConfig.Target, _Mapping]] = ..., exclusion: _Optional[_Union[RbacConfig.Target, _Mapping]] = ..., enforcement_mode: _Optional[_Union[EnforcementMode, str]] = ...) -> None: ...
