"""What can be wrong with an expression."""

from __future__ import annotations


class ExpressionError(ValueError):
    """An expression that cannot be read or does not fit the types of its attributes.

    `position` is the place in the text, counted from 0; None where the whole is meant. `text` is a sentence
    without it; `str` says both.
    """

    def __init__(self, text: str, position: int | None = None) -> None:
        super().__init__(text if position is None else f"{text} (at character {position + 1})")
        self.text = text
        self.position = position
