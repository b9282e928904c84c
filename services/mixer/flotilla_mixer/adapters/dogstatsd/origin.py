"""Where lines come from, so that the agent can add the tags of a container: DogStatsD 1.2's and 1.5's fields at their end.

An agent that hears UDP does not see the sender's process. The container's number is in the kernel's files of control
groups: as a name where the container sees the machine's, else as the inode of its own group. External data is what
Datadog's admission controller writes into a pod's environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.adapters.datadog.vocabulary import fit_word

EXTERNAL_DATA, ENTITY = "DD_EXTERNAL_ENV", "DD_ENTITY_ID"
ENTITY_TAG = "dd.internal.entity_id"
MACHINES_OWN = 0xEFFFFFFB  # the inode of the machine's namespace of control groups
MOST_BYTES = 64 * 1024
_NUMBER = re.compile(
    r"([0-9a-f]{64}|[0-9a-f]{32}-\d+|[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})"
    r"(?:\.scope)?\Z"
)


def ending(origin: Any, root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> str:
    """What ends every line; empty where nothing is known or wanted."""
    container = origin.container_id or (container_of(root) if origin.detect else "")
    external = origin.external_data or (environment.get(EXTERNAL_DATA, "") if origin.detect else "")
    parts = [("|c:", container), ("|e:", external)]
    return "".join(f"{sign}{_plain(text)}" for sign, text in parts if text)


def entity_tags(origin: Any, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The tag by which an agent knows a pod, where the pod's environment has it."""
    entity = environment.get(ENTITY, "") if origin.detect else ""
    return {ENTITY_TAG: entity} if entity else {}


def _plain(text: str) -> str:
    """External data has commas."""
    return ",".join(fit_word(part) for part in text.split(","))


def container_of(root: Path) -> str:
    """`ci-NUMBER` or `in-INODE`; empty where this process is in no container that can be told."""
    try:
        groups = (root / "proc/self/cgroup").read_text(errors="replace")[:MOST_BYTES].splitlines()
        if os.stat(root / "proc/self/ns/cgroup").st_ino == MACHINES_OWN:
            return _named(groups)
        return _by_inode(groups, root / "sys/fs/cgroup")
    except OSError:
        return ""


def _named(groups: list[str]) -> str:
    for line in groups:
        found = _NUMBER.search(line.rpartition("/")[2])
        if found:
            return f"ci-{found[1]}"
    return ""


def _by_inode(groups: list[str], mount: Path) -> str:
    """Of the memory controller's group (version 1), or of the only group (version 2)."""
    paths = {parts[1]: parts[2] for line in groups if len(parts := line.split(":", 2)) == 3}
    for controller in ("memory", ""):
        if controller not in paths:
            continue
        inode = os.stat(mount / controller / paths[controller].lstrip("/")).st_ino
        if inode > 2:  # 2 and less are no groups
            return f"in-{inode}"
    return ""
