"""Instances for adapters out of process: from what was written to functions that make messages of bags."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.json_format import MessageToDict

from flotilla_mixer.configuration.encoding import Encoding, FieldFault
from flotilla_mixer.configuration.instances import OUTPUT, Instance
from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.configuration.names import TEMPLATE, by_full_name, full_name, resolve
from flotilla_mixer.configuration.options import Options, language_for
from flotilla_mixer.expressions.compile import EvaluationError, Function, RowFunction, compile_expression, compile_row
from flotilla_mixer.expressions.languages import Expression, Language, read
from flotilla_mixer.templates import wire
from flotilla_mixer.templates.encoding import Part, compile_encoder
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import InstanceSpec, Variety
from flotilla_shared.model.expressions import ExpressionError, ValueType
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

Vocabulary = Mapping[str, ValueType]
NAME_FIELD = 72295727  # of every InstanceMsg: the instance's full name
NOTHING: tuple[Any, ...] = ()


def no_maps(_: Mapping[str, object]) -> tuple[Any, ...]:
    """A row of such an instance has no maps beside its one value."""
    return NOTHING


class RemoteInstances:
    """Reads the instances of one configuration whose template is an object."""

    def __init__(
        self,
        templates: Mapping[ObjectKey, RemoteTemplate],
        vocabulary: Vocabulary,
        problems: ProblemLog,
        options: Options,
        memory: Memory,
    ) -> None:
        self._options = options
        self._memory = memory
        self._templates = templates
        self._names = by_full_name(templates)
        self._vocabulary = vocabulary
        self._problems = problems

    def read(self, item: ConfigObject) -> Instance | None:
        """The instance, or None when something of it is wrong, which is told."""
        template, language = self._template(item), language_for(item, self._options, self._problems)
        if template is None or language is None:
            return None
        place = (item.key, item.version, template)
        known: Instance | None = self._memory.get(place)
        if known is not None:
            return known
        found = self._compiled(item, template, language)
        if found is not None and item.key not in self._problems.found():
            self._memory.put(place, found)
        return found

    def _compiled(self, item: ConfigObject, template: RemoteTemplate, language: Language) -> Instance | None:
        texts = _Texts(self._vocabulary, language)
        try:
            row = _row(self._parts(item, template, texts), texts)
        except FieldFault as fault:
            self._problems.error(item.key, fault.code, fault.path, str(fault))
            return None
        spec = InstanceSpec(full_name(item.key), template, texts.types)
        return Instance(spec, row, no_maps, self._bindings(item, template, language))

    def _template(self, item: ConfigObject) -> RemoteTemplate | None:
        reference = item.spec.template
        key = resolve(self._names, TEMPLATE, reference, item.key.namespace)
        found = self._templates.get(key) if key is not None else None
        if found is None:
            text = f"there is no template {reference!r} that works; the instance is left out."
            self._problems.error(item.key, "unknown-template", "spec.template", text)
        return found

    def _parts(self, item: ConfigObject, template: RemoteTemplate, texts: _Texts) -> list[Part]:
        content = MessageToDict(item.spec.params)
        message = template.messages.message(template.instance)
        if "name" in content:
            raise FieldFault("unknown-field", "spec.params.name", "the instance's name is put in by Mixer.")
        if message is None:
            if content:
                raise FieldFault("unknown-field", "spec.params", f"the template {template.name} has no fields.")
            return []
        encoding = Encoding(template.messages, texts.add)
        name = wire.scalar(NAME_FIELD, Field.TYPE_STRING)(full_name(item.key))
        return [*encoding.parts(message, content, "spec.params"), name]

    def _bindings(self, item: ConfigObject, template: RemoteTemplate, language: Language) -> dict[str, Function]:
        """The attributes that the instance brings, of `output.<field>`; one that is wrong is left out and told."""
        found: dict[str, Function] = {}
        if template.variety is not Variety.ATTRIBUTE_GENERATOR:
            return found
        words = {**self._vocabulary, **{f"{OUTPUT}{name}": kind for name, kind in template.outputs.items()}}
        for name, text in sorted(item.spec.attribute_bindings.items()):
            path = f"spec.attributeBindings[{name}]"
            try:
                found[name] = self._binding(name, text.replace("$out.", OUTPUT), path, words, language)
            except FieldFault as fault:
                self._problems.error(item.key, fault.code, path, str(fault))
        return found

    def _binding(self, name: str, text: str, path: str, words: Vocabulary, language: Language) -> Function:
        wanted = self._vocabulary.get(name)
        if wanted is None:
            raise FieldFault("unknown-attribute", path, f"no manifest declares the attribute {name}.")
        try:
            expression, kind = read(text, words, language)
        except ExpressionError as error:
            raise FieldFault("bad-expression", path, f"{text!r}: {error}.") from error
        if kind is not wanted:
            raise FieldFault("wrong-type", path, f"{text!r} is {kind}, and must be {wanted}.")
        return compile_expression(expression, words)


class _Texts:
    """The expressions of an instance, in the order of their places in its row."""

    def __init__(self, vocabulary: Vocabulary, language: Language) -> None:
        self._vocabulary = vocabulary
        self._language = language
        self._found: list[Expression | None] = []
        self.types: dict[str, ValueType] = {}

    def add(self, path: str, text: str) -> tuple[ValueType, int]:
        try:
            expression, kind = read(text, self._vocabulary, self._language)
        except ExpressionError as error:
            raise FieldFault("bad-expression", path, f"{text!r}: {error}.") from error
        self.types[path.removeprefix("spec.params.")] = kind
        self._found.append(expression)
        return kind, len(self._found) - 1

    def function(self) -> RowFunction:
        """Raises FieldFault for what Python cannot compile."""
        try:
            return compile_row(self._found, self._vocabulary)
        except ExpressionError as error:
            raise FieldFault("bad-expression", "spec.params", f"an expression cannot be computed: {error}.") from error


def _row(parts: list[Part], texts: _Texts) -> RowFunction:
    values, encode = texts.function(), compile_encoder(parts)

    def row(bag: Mapping[str, object]) -> tuple[Any, ...]:
        found = values(bag)
        try:
            return (encode(found),)
        except (TypeError, AttributeError, ValueError, OverflowError, struct.error) as wrong:
            raise EvaluationError(f"error converting a value of the bag: {wrong}") from None

    return row
