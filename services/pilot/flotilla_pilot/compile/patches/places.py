"""Where in a list an element is put."""

from collections.abc import Callable
from typing import Any

from flotilla_pilot.compile.patches.patch import Operation


def place(held: Any, operation: int, element: Any, found: Callable[[Any], bool] | None, end: int | None = None) -> bool:
    """Put `element` into the list `held`; says whether it was put.

    `found` tells the element that it is put beside, or for: the first of which it is true. Without `found`,
    INSERT_AFTER is at the end and INSERT_BEFORE at the beginning. `end`: where the end is; nothing is put behind it.
    """
    last = len(held) if end is None else end
    index = _index(held, operation, found, last)
    if index is None:
        return False
    if operation == Operation.REPLACE:
        del held[index]
    held.insert(index, element)
    return True


def _index(held: Any, operation: int, found: Callable[[Any], bool] | None, last: int) -> int | None:
    if operation == Operation.ADD:
        return last
    if operation == Operation.INSERT_FIRST:
        return 0
    if operation not in (Operation.INSERT_BEFORE, Operation.INSERT_AFTER, Operation.REPLACE):
        return None
    if found is None:
        return None if operation == Operation.REPLACE else 0 if operation == Operation.INSERT_BEFORE else last
    at = next((index for index, each in enumerate(held) if found(each)), None)
    if at is None or operation != Operation.INSERT_AFTER:
        return at
    return min(at + 1, max(last, 0))
