"""Mixer's own memory: there is no program. What the handler was asked is read from Mixer's metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import httpx

from telemetry_backends.telling import Backend, tell

PORT = 15014
ASKED = re.compile(r'^mixer_runtime_dispatches_total\{[^}]*handler="memquota[^}]*\} (\S+)', re.MULTILINE)


class Memquota(Backend):
    services: Sequence[str] = ("reviews",)

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def calls(self) -> Mapping[str, int]:
        page = httpx.get(f"http://{self.mixer}:{PORT}/metrics", trust_env=False, timeout=30).raise_for_status().text
        return {"reviews": int(sum(map(float, ASKED.findall(page))))}


if __name__ == "__main__":
    tell(Memquota)
