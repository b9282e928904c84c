"""Collecting what is wrong with objects while something is built from them."""

from collections.abc import Mapping

from flotilla_shared.model.objects import ObjectKey, Problem


class ProblemLog:
    """Problems by object, each once, in the order found."""

    def __init__(self) -> None:
        self._found: dict[ObjectKey, dict[Problem, None]] = {}

    def error(self, key: ObjectKey, code: str, field: str, text: str) -> None:
        """Part of the object does not take effect as it is written."""
        self._add(key, Problem(code=code, field=field, text=text, severity="error"))

    def warning(self, key: ObjectKey, code: str, field: str, text: str) -> None:
        """The object takes effect, though likely not as its writer expects."""
        self._add(key, Problem(code=code, field=field, text=text, severity="warning"))

    def _add(self, key: ObjectKey, problem: Problem) -> None:
        self._found.setdefault(key, {})[problem] = None

    def merge(self, problems: Mapping[ObjectKey, tuple[Problem, ...]]) -> None:
        for key, found in problems.items():
            for problem in found:
                self._add(key, problem)

    def found(self) -> dict[ObjectKey, tuple[Problem, ...]]:
        return {key: tuple(problems) for key, problems in sorted(self._found.items())}
