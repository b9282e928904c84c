"""What an exception holds beside its text: the frames that it came through, and all that was in them."""

from __future__ import annotations

import traceback


def let_go(error: BaseException) -> None:
    """Forget the frames of an exception that was told, and of those that it came of.

    A frame holds what was to be sent, and where it keeps the exception too (botocore's do), each keeps the other until
    Python looks for such circles, which it does seldom. With a backend away that is a batch for every try.
    """
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        todo += (each.__cause__, each.__context__)
        traceback.clear_frames(each.__traceback__)
        each.__traceback__ = None
