"""What checks read of a cluster: each object and list once, whoever asks."""

from __future__ import annotations

from typing import Any

from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.errors import NotFound
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, NAMESPACES, Resource

DEPLOYMENTS = Resource("apps", "v1", "deployments", True, "Deployment")
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", False, "SelfSubjectAccessReview")
ROOT = "istio-ca-root-cert"
ROOT_KEY = "root-cert.pem"
SERVICES = ("citadel", "galley", "pilot", "mixer")
PAGE = 500

Object = dict[str, Any]


class Cluster:
    """A mesh's namespace and revision ("": the default one) in a cluster. Everything raises KubeError."""

    def __init__(self, client: KubeClient, namespace: str, revision: str = "") -> None:
        self.client = client
        self.namespace = namespace
        self.revision = revision
        self._objects: dict[str, Object | None] = {}
        self._lists: dict[tuple[str, str], list[Object]] = {}

    @property
    def suffix(self) -> str:
        """What the names of a revision's own objects end with."""
        return f"-{self.revision}" if self.revision else ""

    async def one(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """An object, None where there is none."""
        path = resource.path(namespace, name)
        if path not in self._objects:
            try:
                self._objects[path] = await self.client.get(path)
            except NotFound:
                self._objects[path] = None
        return self._objects[path]

    async def all(self, resource: Resource, field_selector: str = "") -> list[Object]:
        """All objects of a kind, of all namespaces; of a kind that is not served none."""
        key = (resource.path(), field_selector)
        if key not in self._lists:
            self._lists[key] = await self._pages(resource, field_selector)
        return self._lists[key]

    async def _pages(self, resource: Resource, field_selector: str) -> list[Object]:
        found: list[Object] = []
        params: dict[str, str | int] = {"limit": PAGE} | ({"fieldSelector": field_selector} if field_selector else {})
        while True:
            try:
                page = await self.client.get(resource.path(), params=params)
            except NotFound:
                return found
            found += page.get("items") or []
            token = page["metadata"].get("continue")
            if not token:
                return found
            params["continue"] = token

    async def namespaces(self) -> dict[str, Object]:
        """Those that stay, by name."""
        found = {name_of(each): each for each in await self.all(NAMESPACES)}
        return {name: each for name, each in found.items() if "deletionTimestamp" not in each["metadata"]}

    async def roots(self) -> dict[str, Object]:
        """Namespace -> its ConfigMap with a root certificate."""
        found = await self.all(CONFIG_MAPS, f"metadata.name={ROOT}")
        return {each["metadata"]["namespace"]: each for each in found}

    async def root(self) -> str:
        """The mesh's root certificates (PEM), as its own namespace has them; empty where it has none."""
        found = (await self.roots()).get(self.namespace)
        return str((found.get("data") or {}).get(ROOT_KEY, "")) if found else ""

    async def deployment(self, service: str) -> Object | None:
        return await self.one(DEPLOYMENTS, f"istio-{service}", self.namespace)


def name_of(each: Object) -> str:
    return str(each["metadata"]["name"])


def labels_of(each: Object) -> dict[str, str]:
    return each["metadata"].get("labels") or {}


def variable(deployment: Object, name: str) -> str:
    """The value of a variable of its container; empty where it is not set."""
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for each in container.get("env") or []:
            if each["name"] == name:
                return str(each.get("value", ""))
    return ""
