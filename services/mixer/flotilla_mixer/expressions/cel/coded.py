"""What a node of CEL becomes."""

from __future__ import annotations

import ast
from typing import NamedTuple


class Coded(NamedTuple):
    """An expression of Python and the type of its value. `fails`: evaluating it can raise."""

    node: ast.expr
    type: str
    fails: bool = False
