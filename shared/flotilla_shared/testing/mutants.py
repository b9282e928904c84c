"""Documents with something changed, for property tests: right ones that are now wrong somewhere, or still right."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

Document = dict[str, Any]
# At the edges of what fields take, and what people write by mistake.
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 65536, 2**32, 1.5, "", "a", "*", "*.a.com", "a.com", ".", "~", "mesh", "a/b", "0s", "1ms"),
    *("1.2.3.4", "::/0", "unix:///a", "[", "{*}", "100", "STRICT", [], [None], ["a", "a"], {}, {"a": None}, {"a": "b"}),
    *([{}], [[]], {"number": 0}, {"host": "a"}, {"exact": "", "regex": "("}),
)
_CHANGES = ("replace", "replace", "remove", "repeat", "unknown")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value with each of its keys or indices."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def mutants(documents: Callable[[], Sequence[Document]]) -> st.SearchStrategy[Document]:
    """One of the documents, with one to three changes in its spec. They are asked for when the first is drawn."""
    return _mutants(documents)


@st.composite
def _mutants(draw: st.DrawFn, documents: Callable[[], Sequence[Document]]) -> Document:
    made = copy.deepcopy(draw(st.sampled_from(documents())))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from([*places(made["spec"])] or [(made, "spec")]))
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        change = draw(st.sampled_from(_CHANGES))
        if change == "remove" and container is not made:
            del container[key]
        elif change == "repeat" and isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
        elif change == "unknown" and isinstance(container[key], dict):
            container[key]["surprise"] = value
        else:
            container[key] = value
    return made
