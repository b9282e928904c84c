"""Attributes that adapters know: asked for before anything else of a call (mixer.md 7.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from flotilla_mixer.attributes.request import RequestBag
from flotilla_mixer.attributes.typed import MistypedBag
from flotilla_mixer.configuration.instances import OUTPUT, Instance
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.handlers import BuiltHandler
from flotilla_mixer.dispatch.table import Group
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.kit.adapter import GenerateCall

Bag = Mapping[str, object]
Then = Callable[[Bag | str], None]
GenerateCalls = dict[int, tuple[BuiltHandler, list[GenerateCall]]]


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
        """Ask all of them now."""
        calls: GenerateCalls = {}
        self.collect(groups, calls)
        hand_over(calls, self._failures)
        self.done()

    def collect(self, groups: tuple[Group, ...], calls: GenerateCalls) -> None:
        """Add what is to be asked to the calls, for one that asks for several bags at once: `hand_over` the calls, then
        tell each Generation that it is `done`.
        """
        for group in groups:
            if not self._failures.holds(group, self._bag):
                continue
            for target in group.targets:
                for instance in target.instances:
                    self._ask(target.handler, instance, calls)

    def _ask(self, built: BuiltHandler, instance: Instance, calls: GenerateCalls) -> None:
        try:
            row = instance.row(self._bag)
        except EvaluationError as error:
            self._failure = self._failure or self._failures.row(instance.spec.name, error)
            return
        self._waiting += 1
        call = GenerateCall(instance.spec, row, partial(self._take, instance))
        found = calls.get(id(built))
        if found is None:
            calls[id(built)] = built, [call]
        else:
            found[1].append(call)

    def _take(self, instance: Instance, outcome: Mapping[str, object] | str) -> None:
        if isinstance(outcome, str):
            self._failure = self._failure or outcome
        else:
            self._bind(instance, outcome)
        self.done()

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

    def done(self) -> None:
        """One answer more is there, or everything was asked."""
        self._waiting -= 1
        if not self._waiting:
            self._then(self._failure or with_added(self._bag, self._added))


def hand_over(calls: GenerateCalls, failures: Failures) -> None:
    """Ask each handler once."""
    for built, each in calls.values():
        try:
            built.handler.generate(each)
        except Exception as error:  # noqa: BLE001  # an adapter's fault must not end the process
            text = failures.handler(built.config.name, error)
            for call in each:
                call.fail(text)


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
