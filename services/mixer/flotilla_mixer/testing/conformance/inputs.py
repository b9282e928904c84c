"""What does not fit: parameters and rows. It is told, and never a crash."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.secrets import SecretError, SecretFolders
from flotilla_mixer.templates.template import Variety
from flotilla_mixer.testing.conformance.case import AdapterCase, Played, Row
from flotilla_mixer.testing.conformance.life import answered, nothing_left
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Duration, Timestamp

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**80,
    float("nan"),
    float("inf"),
    "",
    "text\n\x00é\ud800",
    "x" * 100_000,
    b"",
    b"\xff" * 16,
    b"abc",
    {},
    {"a": "b"},
    Timestamp(-1),
    Duration(-(2**62)),
)
ODD_TEXTS = ("", " ", "\x00", "no such thing", "é" * 3000, "{{", "http://", "a:b:c", "0")
# Fields whose files hold what must not be sent to whom a handler's author likes, nor be used in Mixer's name.
SECRET_FIELD = re.compile(
    r"((password|token|secret|key|account)(file|path)|privatekey|files\.value\.file)$", re.IGNORECASE
)
ODD_NUMBERS = (-1, -(2**31), 2**31 - 1)


class Inputs:
    """Part of the suite."""

    def test_each_mistake_is_told_with_its_field_and_a_sentence(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        assert case.wrong or not adapter.defaults().DESCRIPTOR.fields, "the case has mistakes of its parameters"
        for changes, field in case.wrong:
            faults = list(adapter.validate(case.read(adapter, changes), case.instances))
            assert field in [fault.field for fault in faults], f"{changes}: {faults}"
            _well_said(faults)

    def test_an_instance_that_does_not_fit_is_told(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        for spec, field in case.misfits:
            faults = list(adapter.validate(case.read(adapter), [*case.instances, spec]))
            assert [fault.field for fault in faults] == [field], f"{spec.name}: {faults}"
            _well_said(faults)

    async def test_secrets_come_from_folders_that_are_kept_for_them(self, case: AdapterCase) -> None:
        adapter = case.adapter()
        assert set(case.secrets) == set(_secret_fields(adapter.defaults().DESCRIPTOR))
        for changes in case.secrets.values():
            background = Background(secrets=SecretFolders(("/kept",)))
            with pytest.raises(SecretError, match="must be below a folder of Mixer's setting secret_folders"):
                adapter.build(case.read(adapter, changes), case.instances, background)
            await background.close(0)

    async def test_whatever_parameters_are_it_is_refused_or_built(self, case: AdapterCase) -> None:
        """Each parameter with each odd value: `validate` gives faults and raises nothing; what it lets pass is built, or
        refused with ValueError.
        """
        async with nothing_left():
            for params in _odd_params(case):
                adapter, background = case.adapter(), Background()
                faults = list(adapter.validate(params, case.instances))
                _well_said(faults)
                if faults:
                    continue
                try:
                    handler: Any = adapter.build(params, case.instances, background)
                except ValueError:
                    background.abandon()
                    continue
                await background.close(0)
                ending = handler.close()
                if ending is not None:
                    await ending

    async def test_rows_that_do_not_fit_are_refused_and_the_others_go_on(self, case: AdapterCase) -> None:
        """Wrong types and wrong numbers of labels. Checks are answered or fail; a report may raise ValueError."""
        async with nothing_left():
            played, wanted = Played(case), 0
            for spec, rows in case.rows.items():
                for odd in _odd_rows(rows[0]):
                    try:
                        wanted += played.call(spec, [odd])
                    except ValueError:
                        assert spec.template.variety is Variety.REPORT, "only a report may raise"
                wanted += played.call(spec, rows)
            await answered(played, wanted)
            await played.close(0)
            await asyncio.sleep(0)


def _well_said(faults: list[Fault]) -> None:
    for fault in faults:
        assert fault.field.startswith("spec"), fault
        one_sentence = fault.text.endswith(".") and "\n" not in fault.text
        assert one_sentence, f"a sentence: {fault.text!r}"


def _odd_params(case: AdapterCase) -> Iterator[Any]:
    adapter = case.adapter()
    count = len(list(_scalars(case.read(adapter))))
    for place in range(count):
        for odd in (*ODD_TEXTS, *ODD_NUMBERS):
            params = case.read(adapter)
            message, field = list(_scalars(params))[place]
            try:
                setattr(message, field.name, odd)
            except (TypeError, ValueError):
                continue
            yield params
    for field in adapter.defaults().DESCRIPTOR.fields:
        params = case.read(adapter)
        params.ClearField(field.name)
        yield params
        if field.is_repeated and field.message_type and not field.message_type.GetOptions().map_entry:
            getattr(params, field.name).add()
            yield params


def _scalars(message: Any) -> Iterator[tuple[Any, Any]]:
    """Every field of one value that there is in a message, at any depth, also those that are not set."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None:
            if not field.is_repeated:
                yield message, field
        elif field.message_type.GetOptions().map_entry:
            values = field.message_type.fields_by_name["value"]
            if values.message_type is not None:
                for each in getattr(message, field.name).values():
                    yield from _scalars(each)
        elif field.is_repeated:
            for each in getattr(message, field.name):
                yield from _scalars(each)
        elif message.HasField(field.name) or not field.message_type.full_name.startswith("google."):
            yield from _scalars(getattr(message, field.name))


def _odd_rows(row: Row) -> Iterator[Row]:
    for place, value in enumerate(row):
        if isinstance(value, tuple):
            inner = [value[:-1], (*value, "more"), (), *_replaced(value)]
            yield from ((*row[:place], each, *row[place + 1 :]) for each in inner)
        else:
            yield from ((*row[:place], odd, *row[place + 1 :]) for odd in ODD_VALUES)


def _replaced(values: Row) -> Iterator[Row]:
    for place in range(len(values)):
        for odd in ODD_VALUES:
            yield (*values[:place], odd, *values[place + 1 :])


def _secret_fields(message: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Of parameters, as users write them: `tls.keyFile`; an entry of a map is `.value`."""
    for field in message.fields:
        name = ".".join((*path, field.json_name))
        if field.message_type is not None and field.message_type.file == message.file:
            yield from _secret_fields(field.message_type, (*path, field.json_name))
        elif field.type == FieldDescriptor.TYPE_STRING and SECRET_FIELD.search(name):
            yield name
