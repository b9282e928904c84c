"""What kinds and fields mean, in our own words: a file for each part of the messages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

HERE = Path(__file__).parent
Meanings = dict[str, dict[str, str]]


def _read(file: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)  # the safe one
    return found


@cache
def about() -> dict[str, str]:
    """Kind -> a sentence."""
    return {kind: str(text) for kind, text in _read(HERE / "about.yaml").items()}


@cache
def meanings() -> Meanings:
    """Message, without `istio.` -> its fields by JSON name -> what they mean."""
    found: Meanings = {}
    for file in sorted(HERE.glob("*.yaml")):
        if file.name != "about.yaml":
            found |= _read(file)  # type: ignore[arg-type]  # a test holds their form
    return found
