"""What can go wrong when an expression is evaluated."""

from __future__ import annotations


class EvaluationError(Exception):
    """An attribute is missing, or a value cannot be converted; the text is 1.4's."""
