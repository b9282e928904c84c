"""The demo's step with backends: one page is told to all of them, and each has as many calls as were made."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from flotilla_cli.demo.backends import CONFIG, INSTANCES, Backend, configuration
from flotilla_cli.demo.mixer_steps import PAGES, settled_calls
from flotilla_cli.demo.page import Reader
from flotilla_cli.demo.stage import Stage
from flotilla_cli.demo.traffic import Traffic
from flotilla_cli.mesh import Mesh, MeshTimeout

AWAITED = ("rule", "QuotaSpecBinding")


class Telling:
    """What every backend is told of the calls behind some pages."""

    def __init__(self, backends: Sequence[Backend], directory: Path) -> None:
        self._backends = backends
        self._directory = directory

    def __call__(self, mesh: Mesh, stage: Stage, traffic: Traffic) -> None:
        with traffic.paused(), closing(Reader(mesh.gateway)) as reader:
            settled_calls(mesh)
            self._configure(mesh, stage)
            before = {each.name: each.calls() for each in self._backends}
            stage.did(f"for i in $(seq {PAGES}); do curl {mesh.gateway}/productpage; done")
            for _ in range(PAGES):
                reader.page(trace())
            for each in self._backends:
                self._check(mesh, stage, each, before[each.name])
        for each in self._backends:
            if each.page:
                stage.saw(f"{each.name}: see {each.page}")

    def _configure(self, mesh: Mesh, stage: Stage) -> None:
        mesh.write(f"{INSTANCES}.yaml", (self._directory / CONFIG / f"{INSTANCES}.yaml").read_text())
        texts = {each.name: configuration(self._directory, each) for each in self._backends}
        for name, text in texts.items():
            stage.did(f"cp examples/telemetry/config/{name}.yaml config/")
            mesh.write(f"telemetry-{name}.yaml", text)
        for document in (found for text in texts.values() for found in yaml.safe_load_all(text)):
            if document["kind"] in AWAITED:
                mesh.wait_applied(document["kind"], document["metadata"]["namespace"], document["metadata"]["name"])

    def _check(self, mesh: Mesh, stage: Stage, backend: Backend, before: Counter[str]) -> None:
        wanted = dict.fromkeys(backend.services, PAGES)
        seen: Mapping[str, Any] = {}

        def told() -> bool:
            nonlocal seen
            seen = difference(backend.calls(), before)
            return seen == wanted

        try:
            mesh.wait(told, f"{backend.name}'s backend to be told")
        except MeshTimeout:
            stage.check(f"{backend.name}: told of {PAGES} calls of each", False, seen)
        else:
            stage.check(f"{backend.name}: told of {PAGES} calls of {', '.join(wanted)}", True)


def trace() -> dict[str, str]:
    """Headers of a trace that begins with this page; Bookinfo's applications hand them on."""
    return {"x-b3-traceid": secrets.token_hex(16), "x-b3-spanid": secrets.token_hex(8), "x-b3-sampled": "1"}


def difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """What has been added, without what has not changed."""
    found = {name: count - before.get(name, 0) for name, count in now.items()}
    return {name: count for name, count in found.items() if count}
