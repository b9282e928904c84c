"""Attributes that adapters know: asked for before anything else of a call (mixer.md 7.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.attributes.typed import MistypedBag
from flotilla_mixer.configuration.instances import OUTPUT, Instance
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.table import Group
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import GenerateCall

Bag = Mapping[str, object]
Then = Callable[[Bag | str], None]


class Generation:
    """The generators of one bag. All of them see the bag as it came; none replaces what is in it, or what one before
    it has given. `then` hears the end, once: the bag with what was added, or the text of a failure.
    """

    def __init__(self, bag: Bag, failures: Failures, then: Then) -> None:
        self._bag = bag
        self._failures = failures
        self._then = then
        self._added: Mapping[str, object] = {}
        self._failure = ""
        self._waiting = 1

    def run(self, groups: tuple[Group, ...]) -> None:
        for group in groups:
            if not self._failures.holds(group, self._bag):
                continue
            for target in group.targets:
                for instance in target.instances:
                    self._ask(target.handler, instance)
        self._done()

    def _ask(self, built: Any, instance: Instance) -> None:
        try:
            row = instance.row(self._bag)
        except EvaluationError as error:
            self._failure = self._failure or self._failures.row(instance.spec.name, error)
            return
        self._waiting += 1
        call = GenerateCall(instance.spec, row, partial(self._take, instance))
        try:
            built.handler.generate([call])
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not end the process
            call.fail(self._failures.handler(built.config.name, error))

    def _take(self, instance: Instance, outcome: Mapping[str, object] | str) -> None:
        if isinstance(outcome, str):
            self._failure = self._failure or outcome
        else:
            self._bind(instance, outcome)
        self._done()

    def _bind(self, instance: Instance, given: Mapping[str, object]) -> None:
        """Make attributes of what the handler gave. What is in the bag beside them wins."""
        if not given and len(instance.unknown) == len(instance.bindings):
            self._added = {**instance.unknown, **self._added} if self._added else instance.unknown
            return
        outputs = {f"{OUTPUT}{name}": value for name, value in given.items()}
        added = dict(self._added)
        for name in _lacking(self._bag, instance.bindings):
            if name in added:
                continue
            try:
                added[name] = instance.bindings[name](outputs)
            except EvaluationError as error:
                self._failure = self._failure or self._failures.row(instance.spec.name, error)
        self._added = added

    def _done(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._then(self._failure or with_added(self._bag, self._added))


def _lacking(bag: Bag, names: Iterable[str]) -> list[str]:
    """Those of the names that the bag has nothing for."""
    return bag.lacking(names) if type(bag) is RequestBag else [name for name in names if name not in bag]


def with_added(bag: Bag, added: Mapping[str, object]) -> Bag:
    """The bag with what was added. What is read of that is not remembered as asked for."""
    if isinstance(bag, RequestBag):
        bag.preprocessed(added)
        return bag
    if not added:
        return bag
    if isinstance(bag, MistypedBag):
        return bag.with_added(added)
    return {**added, **bag}
