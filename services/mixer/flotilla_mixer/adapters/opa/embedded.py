"""Modules in Rego that stand in the configuration, evaluated in Mixer by rego-cpp."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flotilla_mixer.adapters.opa.asking import Answer, decided

NAME = "answer"
MISSING = "this Mixer has no engine for Rego: install flotilla-mesh-mixer[opa], or name a server"
LONGEST_TEXT = 300
# Runs a function in the handler's own thread.
InThread = Callable[..., Awaitable[Any]]


class RegoProblem(ValueError):
    """The modules or the query cannot be compiled; the text says why."""


class Compiled:
    """Modules and a query, compiled. For one thread at a time: it holds the input that it was asked about last."""

    def __init__(self, modules: Sequence[str], query: str) -> None:
        """Raises RegoProblem."""
        try:
            from regopy import Interpreter, RegoError  # type: ignore[import-untyped]
        except ImportError as error:
            raise RegoProblem(MISSING) from error
        try:
            self._interpreter = Interpreter()
            for number, module in enumerate(modules):
                self._interpreter.add_module(f"policy[{number}]", module)
            self._bundle = self._interpreter.build(f"{NAME} = {query}")
        except RegoError as error:
            raise RegoProblem(_sentence(str(error))) from error

    def judge(self, inputs: Sequence[dict[str, Any]]) -> list[Answer]:
        """An answer for each. Raises nothing: what cannot be evaluated is an answer too."""
        return [self._one(each) for each in inputs]

    def _one(self, document: dict[str, Any]) -> Answer:
        try:
            self._interpreter.set_input(document)
            found = self._interpreter.query_bundle(self._bundle).results
            return decided([each.bindings[NAME] for each in found if NAME in each.bindings])
        except Exception as error:  # noqa: BLE001  # the engine's own, and of its output where that is no JSON
            return f"the policy cannot be evaluated: {_sentence(str(error))}"


def _sentence(text: str) -> str:
    """The first words of what the engine says, on one line."""
    return " ".join(text.split())[:LONGEST_TEXT]


class EmbeddedPolicy:
    """A compiled policy that is asked in its handler's thread: the engine lets go of the interpreter's lock, so a policy
    that takes long delays its own calls alone.
    """

    def __init__(self, compiled: Compiled, in_thread: InThread) -> None:
        self._compiled = compiled
        self._in_thread = in_thread

    async def ask(self, inputs: Sequence[dict[str, Any]]) -> Sequence[Answer]:
        found: Sequence[Answer] = await self._in_thread(self._compiled.judge, inputs)
        return found

    async def close(self) -> None:
        pass
