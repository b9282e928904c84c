"""Which files of tests belong to which part, where several runs share them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def of_part(files: Sequence[T], part: str) -> Sequence[T]:
    """Those of part `2/3`: the second of every three. ValueError for what is no part."""
    index, _, count = part.partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError(f"{part} is no part: parts of three are 1/3, 2/3 and 3/3")
    return files[int(index) - 1 :: int(count)]
