"""A file, into which the adapter writes by itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from telemetry_backends.telling import Backend, tell


class Stdio(Backend):
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def params(self) -> Mapping[str, Any]:
        return {"outputPath": str(self.folder / "calls.log")}

    def page(self) -> str:
        return str(self.folder / "calls.log")

    def calls(self) -> Mapping[str, int]:
        file = self.folder / "calls.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return Counter(json.loads(line)["destination"] for line in lines)


if __name__ == "__main__":
    tell(Stdio)
