"""What both ways to ask a policy in Rego have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

Answer = bool | str
"""Whether the policy allows it; or, as text, why it does not say."""


class Policy(Protocol):
    """A policy that can be asked. Belongs to one handler."""

    async def ask(self, inputs: Sequence[dict[str, Any]]) -> Sequence[Answer]:
        """An answer for each input, in order. Raises nothing."""
        ...

    async def close(self) -> None:
        """Give up what it holds. Safe twice."""
        ...


def decided(found: Sequence[Any]) -> Answer:
    """The answer in the results of a query: 1.4 wants exactly one, and that true or false."""
    if len(found) != 1:
        return f"the policy gives {len(found)} results and not one" if found else "the policy gives no result"
    value = found[0]
    return value if isinstance(value, bool) else "the policy's result is neither true nor false"
