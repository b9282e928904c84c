"""From Galley's responses to deltas: a resource that cannot be read is one object at fault, and not a response refused."""

from __future__ import annotations

from flotilla_mixer.configuration.undecodable import Undecodable
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import Resources
from flotilla_protos.istio.mcp.v1alpha1.resource_pb2 import Resource
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey
from flotilla_shared.runtime.streams.codec import UndecodableResource, from_resource


def from_response(response: Resources) -> Delta:
    """The delta that a response carries. Raises UndecodableResource for a resource without a name, which no object of
    this Mixer could stand for.
    """
    collection = response.collection
    return Delta(
        collection=collection,
        version=response.system_version_info,
        upserts=tuple(_object(collection, each) for each in response.resources),
        removed=tuple(ObjectKey.parse(collection, name) for name in response.removed_resources),
        full=not response.incremental,
    )


def _object(collection: str, resource: Resource) -> ConfigObject:
    metadata = resource.metadata
    try:
        return from_resource(collection, resource)
    except UndecodableResource as error:
        if not metadata.name:
            raise
        key = ObjectKey.parse(collection, metadata.name)
        return ConfigObject(key, metadata.version, Undecodable(str(error)))
