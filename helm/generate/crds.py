"""The chart of custom resource definitions: one file a kind, plain YAML that `kubectl apply` takes, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from flotilla_shared.model.kinds import WRITTEN, Kind
from helm.generate.crd_names import SHORT_NAMES, columns
from helm.generate.crd_schema import STATUS, message_schema
from helm.generate.rules.table import NEED_SPEC, SPECS, with_rules

CHART = Path("helm/flotilla-crds")
MADE = "# Made by `make crds` from the messages; do not edit.\n"


class _Plain(yaml.CSafeDumper):
    """Without anchors: equal parts are written out each time."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd_files() -> dict[Path, str]:
    """Path -> text, for every kind that Galley reads."""
    return {CHART / "templates" / f"{kind.plural}.{kind.group}.yaml": MADE + _yaml(crd(kind)) for kind in WRITTEN}


def _yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, width=120)


def crd(kind: Kind) -> dict[str, Any]:
    """The definition of a kind: all its versions served, the newest stored, one schema for all."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            "labels": {"app": "flotilla-crds", "app.kubernetes.io/part-of": "flotilla"},
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": kind.group,
            "scope": "Cluster" if kind.cluster_scoped else "Namespaced",
            "names": _names(kind),
            "versions": [_version(kind, version) for version in kind.versions],
        },
    }


def _names(kind: Kind) -> dict[str, Any]:
    names = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "categories": ["istio-io", f"{kind.group.partition('.')[0]}-istio-io"],
    }
    short = SHORT_NAMES.get(kind.kind)
    return {**names, "shortNames": list(short)} if short else names


def _version(kind: Kind, version: str) -> dict[str, Any]:
    spec = with_rules(message_schema(kind.message_class().DESCRIPTOR, kind.era), SPECS.get(kind.kind, {}))
    whole: dict[str, Any] = {"type": "object", "properties": {"spec": spec, "status": STATUS}}
    if kind.kind in NEED_SPEC:
        whole["required"] = ["spec"]
    return {
        "name": version,
        "served": True,
        "storage": version == kind.versions[0],
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns(kind.kind),
        "schema": {"openAPIV3Schema": whole},
    }
