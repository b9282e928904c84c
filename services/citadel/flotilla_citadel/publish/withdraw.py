"""`python -m flotilla_citadel.publish.withdraw`: removes what this Citadel has published in the cluster's namespaces.

The chart runs it when it is uninstalled, with an account that may do nothing else. ConfigMaps with another Citadel's mark, or
with none, stay. Exit code 1 if one of ours could not be removed.
"""

from __future__ import annotations

import asyncio
import sys

from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.publish.config_map import MARK, NAME, citadel_id
from flotilla_shared.runtime.kube.client import KubeClient, open_client
from flotilla_shared.runtime.kube.errors import Conflict, KubeError, NotFound
from flotilla_shared.runtime.kube.objects import Named, ObjectMeta
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, NAMESPACES
from flotilla_shared.runtime.settings import load_settings

PAGE = 500


async def withdraw(client: KubeClient, own_id: str) -> tuple[int, list[str]]:
    """Removes the ConfigMaps with this mark; gives how many, and a sentence for each namespace where it could not."""
    removed, problems = 0, []
    for namespace in await _namespaces(client):
        try:
            removed += await _withdraw_one(client, namespace, own_id)
        except KubeError as error:
            problems.append(f"{namespace}: {error}")
    return removed, problems


async def _withdraw_one(client: KubeClient, namespace: str, own_id: str) -> bool:
    path = CONFIG_MAPS.path(namespace, NAME)
    try:
        found = (await client.get_as(path, Named)).metadata
        if found.annotations.get(MARK) != own_id:
            return False
        await client.delete(path, body=_only(found))
    except (NotFound, Conflict):
        return False  # gone by itself, or by now another's
    return True


def _only(found: ObjectMeta) -> dict[str, object]:
    """DeleteOptions that hold for the object that was looked at, and no other."""
    preconditions = {"uid": found.uid, "resourceVersion": found.resource_version}
    return {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}


async def _namespaces(client: KubeClient) -> list[str]:
    """Names of all, page by page. Raises KubeError."""
    names: list[str] = []
    token = ""
    while True:
        page = await client.get(NAMESPACES.path(), params={"limit": PAGE, "continue": token})
        names += [each["metadata"]["name"] for each in page.get("items") or []]
        token = page["metadata"].get("continue", "")
        if not token:
            return names


async def run(settings: CitadelSettings) -> int:
    """Withdraw, and say so; gives the exit code."""
    client = open_client(settings, "citadel-cleanup")
    await client.start()
    try:
        own = citadel_id(settings.root_namespace, settings.trust_domain, settings.revision)
        removed, problems = await withdraw(client, own)
    except KubeError as error:
        removed, problems = 0, [f"the namespaces cannot be listed: {error}"]
    finally:
        await client.stop()
    for problem in problems:
        print(f"not removed: {problem}", file=sys.stderr)
    print(f"{removed} ConfigMaps {NAME} removed")
    return 1 if problems else 0


def main() -> int:
    """The entry point; gives the exit code."""
    return asyncio.run(run(load_settings(CitadelSettings, "citadel")))


if __name__ == "__main__":
    sys.exit(main())
