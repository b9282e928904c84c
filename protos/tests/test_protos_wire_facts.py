"""Every field of the wire facts stands in our descriptors with its name, number, type and label."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

PACKAGES = Path(__file__).parents[1]
FIELD = re.compile(r"^  (\w+) = (\d+) : (repeated )?(map<[^>]+>|[\w.]+)")
SCALARS = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_FIXED32: "fixed32",
    FieldDescriptor.TYPE_SINT32: "sint32",
}
# Where 1.4 and today give one number two types, today's wins (the number and the name stay).
TODAY_WINS = {
    "istio.mesh.v1alpha1.ProxyConfig.concurrency",
    "istio.mesh.v1alpha1.RemoteService.tls_settings",
    "istio.mesh.v1alpha1.MeshConfig.locality_lb_setting",
    "istio.mesh.v1alpha1.ConfigSource.tls_settings",
    "istio.networking.v1alpha3.TrafficPolicy.tls",
    "istio.networking.v1alpha3.TrafficPolicy.PortTrafficPolicy.tls",
    "istio.networking.v1alpha3.Server.tls",
    "istio.networking.v1alpha3.IstioIngressListener.port",
    "istio.networking.v1alpha3.IstioEgressListener.port",
    "istio.networking.v1alpha3.ServiceEntry.ports",
    "istio.networking.v1alpha3.ServiceEntry.endpoints",
}
# A package has one era's own words for an enum value only here: today's stands.
TODAY_NAMES = {
    "istio.mesh.v1alpha1.MeshConfig.IngressControllerMode": {"OFF", "DEFAULT", "STRICT"},
    "istio.networking.v1alpha3.LoadBalancerSettings.SimpleLB": {"ROUND_ROBIN"},
}


def load_all() -> None:
    for file in sorted((PACKAGES / "flotilla_protos").rglob("*_pb2.py")):
        importlib.import_module(".".join(file.relative_to(PACKAGES).with_suffix("").parts))


def facts(folder: Path) -> Iterator[tuple[str, str, re.Match[str]]]:
    """(package, message, the matched field line) of every field in a folder of facts."""
    for file in sorted(folder.glob("*.txt")):
        package = message = ""
        for line in file.read_text().splitlines():
            if line.startswith("package "):
                package = line.split()[1]
            elif line.startswith("message "):
                message = line.split()[1]
            elif found := FIELD.match(line):
                yield package, message, found


def type_of(field: FieldDescriptor) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
        return f"map<{type_of(key)},{type_of(value)}>"
    if field.message_type is not None:
        return field.message_type.full_name
    if field.enum_type is not None:
        return field.enum_type.full_name
    return SCALARS[field.type]


def same_type(package: str, wanted: str, field: FieldDescriptor) -> bool:
    def whole(name: str) -> set[str]:
        if name.startswith("map<"):
            key, value = name[4:-1].split(",")
            return {f"map<{key},{candidate}>" for candidate in whole(value.strip())}
        return {name, f"{package}.{name}"}

    return type_of(field) in whole(wanted)


def differences(folder: Path) -> Iterator[str]:
    pool = descriptor_pool.Default()
    for package, message, found in facts(folder):
        name, number, repeated, wanted = found.groups()
        descriptor: Descriptor = pool.FindMessageTypeByName(f"{package}.{message}")
        field = descriptor.fields_by_number.get(int(number))
        where = f"{package}.{message}.{name}"
        if field is None or field.name != name:
            yield f"{where} = {number}: have {field.name if field else 'nothing'}"
        elif where not in TODAY_WINS and not same_type(package, wanted, field):
            yield f"{where}: have {type_of(field)}, want {wanted}"
        elif bool(repeated) != (field.is_repeated and not type_of(field).startswith("map<")):
            yield f"{where}: repeated differs"


def enum_differences(folder: Path) -> Iterator[str]:
    pool = descriptor_pool.Default()
    for file in sorted(folder.glob("*.txt")):
        package = file.read_text().split(maxsplit=2)[1]
        for name, values in re.findall(r"^enum ([\w.]+): (.*)$", file.read_text(), re.MULTILINE):
            enum = pool.FindEnumTypeByName(f"{package}.{name}")
            excepted = TODAY_NAMES.get(f"{package}.{name}", set()) if folder.name == "1.4" else set()
            for value, number in re.findall(r"(\w+)=(-?\d+)", values):
                have = enum.values_by_name.get(value)
                if value not in excepted and (have is None or have.number != int(number)):
                    yield f"{package}.{name}.{value} = {number}: have {have.number if have else 'nothing'}"


def test_every_field_of_today(wire_facts: Path) -> None:
    load_all()
    assert list(differences(wire_facts / "today")) == []
    assert sum(1 for _ in facts(wire_facts / "today")) > 500


def test_every_field_of_1_4_that_today_did_not_redefine(wire_facts: Path) -> None:
    load_all()
    assert list(differences(wire_facts / "1.4")) == []
    assert sum(1 for _ in facts(wire_facts / "1.4")) > 500


def test_every_enum_value(wire_facts: Path) -> None:
    load_all()
    assert list(enum_differences(wire_facts / "today")) == []
    assert list(enum_differences(wire_facts / "1.4")) == []


def test_mesh_config_keeps_the_fields_that_today_dropped() -> None:
    load_all()
    mesh = descriptor_pool.Default().FindMessageTypeByName("istio.mesh.v1alpha1.MeshConfig")
    names = {number: mesh.fields_by_number[number].name for number in (1, 2, 3, 25, 48)}
    assert names == {
        1: "mixer_check_server",
        2: "mixer_report_server",
        3: "disable_policy_checks",
        25: "policy_check_fail_open",
        48: "disable_mixer_http_reports",
    }
