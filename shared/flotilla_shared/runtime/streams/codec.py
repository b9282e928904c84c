"""Between objects and MCP's resources."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import Resources
from flotilla_protos.istio.mcp.v1alpha1.resource_pb2 import Resource
from flotilla_shared.model.kinds import Kind, by_collection
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey

NANOS = 1_000_000_000
EARLIEST_SECONDS = -62_135_596_800  # 0001-01-01, protobuf's least timestamp
LATEST_SECONDS = 253_402_300_799


class UndecodableResource(ValueError):
    """A resource is not what its collection holds; the text names it."""


def to_resource(item: ConfigObject) -> Resource:
    """The MCP resource of an object; its version travels in the metadata."""
    resource = Resource()
    metadata = resource.metadata
    metadata.name = item.key.full_name
    metadata.version = item.version
    metadata.labels.update(item.labels)
    metadata.annotations.update(item.annotations)
    if item.create_time_ns:
        metadata.create_time.FromNanoseconds(item.create_time_ns)
    resource.body.Pack(item.spec, deterministic=True)
    return resource


def from_resource(collection: str, resource: Resource) -> ConfigObject:
    """The object of an MCP resource; raises UndecodableResource."""
    kind = by_collection(collection)
    name = resource.metadata.name
    if kind is None:
        raise UndecodableResource(f"there is no collection {collection!r}")
    if not name:
        raise UndecodableResource(f"a resource of {collection} has no name")
    created = resource.metadata.create_time
    if not (EARLIEST_SECONDS <= created.seconds <= LATEST_SECONDS and 0 <= created.nanos < NANOS):
        raise UndecodableResource(f"{collection} {name}: its creation time is outside of the calendar")
    return ConfigObject(
        key=ObjectKey.parse(collection, name),
        version=resource.metadata.version,
        spec=_spec(kind, name, resource),
        labels=dict(resource.metadata.labels),
        annotations=dict(resource.metadata.annotations),
        create_time_ns=created.seconds * NANOS + created.nanos,
    )


def _spec(kind: Kind, name: str, resource: Resource) -> object:
    wanted = kind.message_class()
    if resource.body.type_url.rpartition("/")[2] != wanted.DESCRIPTOR.full_name:
        raise UndecodableResource(
            f"{kind.collection} {name}: its body is {resource.body.type_url!r}, it must be {kind.type_url}"
        )
    try:
        return wanted.FromString(resource.body.value)
    except DecodeError as error:
        raise UndecodableResource(f"{kind.collection} {name}: its body cannot be decoded") from error


def to_response(delta: Delta, nonce: str) -> Resources:
    """The MCP response that carries a delta."""
    response = Resources(
        system_version_info=delta.version, collection=delta.collection, nonce=nonce, incremental=not delta.full
    )
    response.resources.extend(to_resource(item) for item in delta.upserts)
    response.removed_resources.extend(key.full_name for key in delta.removed)
    return response


def from_response(response: Resources) -> Delta:
    """The delta that an MCP response carries; raises UndecodableResource, naming the first bad resource."""
    collection = response.collection
    return Delta(
        collection=collection,
        version=response.system_version_info,
        upserts=tuple(from_resource(collection, each) for each in response.resources),
        removed=tuple(ObjectKey.parse(collection, name) for name in response.removed_resources),
        full=not response.incremental,
    )
