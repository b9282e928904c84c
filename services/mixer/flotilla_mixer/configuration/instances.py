"""Instances: from the expressions that a user wrote to functions that make rows of bags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict

from flotilla_mixer.configuration.memory import Memory
from flotilla_mixer.configuration.names import full_name
from flotilla_mixer.configuration.options import Options, language_for
from flotilla_mixer.expressions.compile import (
    Bag,
    EvaluationError,
    Function,
    RowFunction,
    compile_expression,
    compile_row,
    compile_rows,
)
from flotilla_mixer.expressions.languages import Expression, read
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.templates.template import InstanceSpec, Template, Variety
from flotilla_shared.model.expressions import ExpressionError, ValueType
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog

Vocabulary = Mapping[str, ValueType]
OUTPUT = "output."
"""What an expression of a binding calls an output; users write `$out.`."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """An instance ready to be made of bags: a row is `fields(bag) + maps(bag)`.

    `maps` is one object for all instances whose maps are written the same: in a message that many metrics are
    made of, their dimensions are worked out once. `bindings` make attributes of what a generator gave: each is a
    function of its outputs, under `$out.<name>`.
    """

    spec: InstanceSpec
    fields: RowFunction
    maps: RowFunction
    bindings: Mapping[str, Function] = field(default_factory=dict)
    unknown: Mapping[str, object] = field(default_factory=dict)
    """What the bindings make of a generator that knows nothing, which is what most have to say. Not all can."""

    def row(self, bag: Bag) -> tuple[Any, ...]:
        """Raises EvaluationError."""
        fields = self.fields(bag)
        return fields + self.maps(bag) if self.spec.template.maps else fields


@dataclass(frozen=True, slots=True)
class _Written:
    """Expressions as they were found, checked."""

    fields: Mapping[str, tuple[Expression, ValueType]]
    maps: Mapping[str, Mapping[str, tuple[Expression, ValueType]]]


class InstanceReader:
    """Reads the instances of one configuration."""

    def __init__(self, vocabulary: Vocabulary, problems: ProblemLog, options: Options, memory: Memory) -> None:
        self._vocabulary = vocabulary
        self._options = options
        self._language = options.language
        self._problems = problems
        self._memory = memory

    def read(self, item: ConfigObject) -> Instance | None:
        """The instance, or None when something of it is wrong; then the problems say what."""
        known: Instance | None = self._memory.get((item.key, item.version))
        if known is not None:
            return known
        found = self._read(item)
        if found is not None and item.key not in self._problems.found():
            self._memory.put((item.key, item.version), found)
        return found

    def _read(self, item: ConfigObject) -> Instance | None:
        template, language = self._template(item), language_for(item, self._options, self._problems)
        if template is None or language is None:
            return None
        self._language = language
        before = len(self._problems.found().get(item.key, ()))
        written = self._written(item, template)
        if len(self._problems.found().get(item.key, ())) > before:
            return None
        spec = InstanceSpec(
            name=full_name(item.key),
            template=template,
            types={name: kind for name, (_, kind) in written.fields.items()},
            names={name: tuple(sorted(found)) for name, found in written.maps.items()},
            map_types={name: {key: kind for key, (_, kind) in found.items()} for name, found in written.maps.items()},
        )
        try:
            return self._compiled(spec, written, self._bindings(item, template))
        except ExpressionError as error:
            self._problems.error(
                item.key, "bad-expression", "spec.params", f"an expression cannot be computed: {error}."
            )
            return None

    def _compiled(self, spec: InstanceSpec, written: _Written, bindings: Mapping[str, Function]) -> Instance:
        fields = [written.fields[name][0] if name in written.fields else None for name in spec.template.fields]
        maps = [
            [written.maps[name][key][0] for key in spec.names[name]] if name in written.maps else []
            for name in spec.template.maps
        ]
        key = ("maps", tuple(map(tuple, maps)))
        rows = self._memory.get(key) or self._memory.put(key, compile_rows(maps, self._vocabulary))
        return Instance(spec, compile_row(fields, self._vocabulary), rows, bindings, dict(_unknown(bindings)))

    def _bindings(self, item: ConfigObject, template: Template) -> Mapping[str, Function]:
        """The attributes that the instance brings; one that is wrong is left out and told."""
        if template.variety is not Variety.ATTRIBUTE_GENERATOR:
            return {}
        words = {**self._vocabulary, **{f"{OUTPUT}{name}": kind for name, kind in template.outputs.items()}}
        found: dict[str, Function] = {}
        for name, text in sorted(item.spec.attribute_bindings.items()):
            path = f"spec.attributeBindings[{name}]"
            wanted = self._vocabulary.get(name)
            if wanted is None:
                self._problems.error(item.key, "unknown-attribute", path, f"no manifest declares the attribute {name}.")
                continue
            written: dict[str, tuple[Expression, ValueType]] = {}
            self._field(item, path, text.replace("$out.", OUTPUT), wanted, written, name, words)
            if name in written:
                found[name] = compile_expression(written[name][0], words)
        return found

    def _template(self, item: ConfigObject) -> Template | None:
        name = item.spec.compiled_template
        found = TEMPLATES.get(name)
        if found is None:
            text = f"there is no template {name!r} in this Mixer; it has {', '.join(sorted(TEMPLATES))}."
            self._problems.error(item.key, "unknown-template", "spec.compiledTemplate", text)
        return found

    def _written(self, item: ConfigObject, template: Template) -> _Written:
        fields: dict[str, tuple[Expression, ValueType]] = {}
        maps: dict[str, dict[str, tuple[Expression, ValueType]]] = {}
        for given, value in _flat(MessageToDict(item.spec.params), template):
            name, path = _snake(given), f"spec.params.{given}"
            if name in template.fields:
                self._field(item, path, value, template.fields[name], fields, name)
            elif name in template.maps and isinstance(value, dict):
                found = maps.setdefault(name, {})
                for key, text in value.items():
                    self._field(item, f"{path}[{key}]", text, None, found, key)
            else:
                known = ", ".join((*template.fields, *template.maps)) or "none"
                text = f"the template {template.name} has no field {given}; its fields are: {known}."
                self._problems.error(item.key, "unknown-field", path, text)
        return _Written(fields, maps)

    def _field(
        self,
        item: ConfigObject,
        path: str,
        text: object,
        wanted: ValueType | None,
        into: dict[str, Any],
        name: str,
        words: Vocabulary | None = None,
    ) -> None:
        """Put the checked expression into `into`, or say what is wrong with it."""
        if not isinstance(text, str):
            said = f'an expression is text: write "{text:g}".' if isinstance(text, float) else "an expression is text."
            self._problems.error(item.key, "not-an-expression", path, said)
            return
        if not text.strip():
            return
        try:
            expression, kind = read(text, self._vocabulary if words is None else words, self._language)
        except ExpressionError as error:
            self._problems.error(item.key, "bad-expression", path, f"{text!r}: {error}.")
            return
        if wanted is not None and kind is not wanted:
            self._problems.error(item.key, "wrong-type", path, f"{text!r} is {kind}, and must be {wanted}.")
            return
        into[name] = (expression, kind)


def _unknown(bindings: Mapping[str, Function]) -> Iterator[tuple[str, object]]:
    for name, function in bindings.items():
        try:
            yield name, function({})
        except EvaluationError:
            continue


def _flat(params: Mapping[str, Any], template: Template) -> Iterator[tuple[str, Any]]:
    """The fields as given, those of a part with the part's name before them."""
    parts = {name.partition(".")[0] for name in (*template.fields, *template.maps) if "." in name}
    for given, value in params.items():
        if _snake(given) in parts and isinstance(value, dict):
            yield from ((f"{given}.{name}", each) for name, each in value.items())
        else:
            yield given, value


def _snake(name: str) -> str:
    """monitoredResourceType and monitored_resource_type are the same field."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
