"""Objects from YAML, a mesh of three workloads, and the configuration that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from google.protobuf import json_format

from flotilla_mixer.configuration.build import COLLECTIONS, Configuration, build_configuration
from flotilla_mixer.configuration.options import Options
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, Delta, ObjectKey, content_version

Objects = dict[str, dict[ObjectKey, ConfigObject]]

MESH = """\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ratings-v1, namespace: default}
spec: {address: 127.0.0.1, labels: {app: ratings, version: v1}, serviceAccount: ratings}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2, namespace: default}
spec: {address: 127.0.2.4, labels: {app: reviews, version: v2}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v3, namespace: default}
spec: {address: 127.0.2.5, labels: {app: reviews, version: v3}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ratings, namespace: default}
spec:
  hosts: [ratings.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: ratings}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
"""
DENY = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: closed, namespace: default}
spec:
  compiledAdapter: denier
  params: {status: {code: 7, message: closed today}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: default}
spec:
  match: MATCH
  actions: [{handler: closed, instances: [ask]}]
"""


def deny(match: str) -> str:
    """A rule that denies, under this condition."""
    return DENY.replace("MATCH", yaml.safe_dump(match, width=1000).splitlines()[0])


def read_objects(*texts: str) -> Objects:
    """The objects of YAML documents that Mixer takes, by collection."""
    objects: Objects = {name: {} for name in COLLECTIONS}
    for document in yaml.safe_load_all("\n---\n".join(texts)):
        if document:
            item = read_object(document)
            if item.key.collection in objects:
                objects[item.key.collection][item.key] = item
    return objects


def read_object(document: Mapping[str, Any]) -> ConfigObject:
    kind = kinds.kind_of(document["apiVersion"], document["kind"])
    assert kind is not None, document
    meta = document["metadata"]
    spec = json_format.ParseDict(document.get("spec") or {}, kind.message_class()())
    key = ObjectKey(kind.collection, meta.get("namespace", "default"), meta["name"])
    labels, annotations = meta.get("labels", {}), meta.get("annotations", {})
    return ConfigObject(key, content_version(key, spec, labels, annotations), spec, labels, annotations)


def deltas(objects: Objects) -> list[Delta]:
    """Everything of these objects, as a source gives it first."""
    return [Delta(name, "1", tuple(found.values())) for name, found in objects.items()]


def configured(*texts: str, adapters: Mapping[str, Any] | None = None, options: Options | None = None) -> Configuration:
    """The configuration of YAML documents, beside the mesh of three workloads."""
    objects = read_objects(MESH, *texts)
    return build_configuration(objects, adapters or load_adapters(), "cluster.local", options=options)


def problems(configuration: Configuration) -> list[tuple[str, str, str, str]]:
    """What is wrong: kind of object, its name, field and code, in order."""
    return [
        (_kind(key.collection), key.name, each.field, each.code)
        for key, found in configuration.problems.items()
        for each in found
    ]


def _kind(collection: str) -> str:
    found = kinds.by_collection(collection)
    assert found is not None
    return found.kind.lower()
