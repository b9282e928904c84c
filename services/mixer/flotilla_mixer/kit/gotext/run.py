"""A template and values to text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flotilla_mixer.kit.gotext.errors import TemplateError
from flotilla_mixer.kit.gotext.functions import FUNCTIONS, LONGEST_RESULT, printed, truth
from flotilla_mixer.kit.gotext.methods import called
from flotilla_mixer.kit.gotext.parse import Block, Call, Constant, Path, Pipeline, parse


class Template:
    """A template that was read. Immutable."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._nodes = parse(text)
        self._plain = self._nodes[0] if len(self._nodes) == 1 and isinstance(self._nodes[0], str) else None

    @property
    def names(self) -> frozenset[str]:
        """The names that it takes of what it is run on, as far as the text tells."""
        return frozenset(_names(self._nodes))

    def run(self, values: Mapping[str, object]) -> str:
        """The text that it makes of these values. Raises TemplateError for values that it cannot be run on."""
        if self._plain is not None:
            return self._plain
        return _Run(values).text(self._nodes)


def template(text: str) -> Template:
    """Raises TemplateError, which says what is wrong."""
    return Template(text)


def _names(nodes: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Pipeline):
            yield from _of_pipeline(node)
        elif isinstance(node, Block):
            yield from _of_pipeline(node.pipeline)
            inner = node.then if node.kind == "if" else ()  # elsewhere the dot is another
            yield from _names((*inner, *node.other))


def _of_pipeline(pipeline: Pipeline) -> Iterator[str]:
    for command in pipeline.commands:
        for operand in command:
            if isinstance(operand, Path):
                if operand.of is not None:
                    yield from _of_pipeline(operand.of)
                elif operand.names and operand.variable in ("", "$"):
                    yield operand.names[0]


class _Run:
    """One run. `$` is what it is run on."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._scopes: list[dict[str, Any]] = [{"$": values}]
        self._written: list[str] = []
        self._length = 0
        self._dot: Any = values

    def text(self, nodes: Any) -> str:
        self._list(nodes)
        return "".join(self._written)

    def _list(self, nodes: Any) -> None:
        for node in nodes:
            if isinstance(node, str):
                self._write(node)
            elif isinstance(node, Pipeline):
                value = self._value(node)
                if not node.declares:
                    self._write(printed(value))
            else:
                self._block(node)

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_RESULT:
            raise TemplateError(f"it makes more than {LONGEST_RESULT} characters")
        self._written.append(text)

    def _block(self, node: Block) -> None:
        self._scopes.append({})
        before = self._dot
        if node.kind == "range":
            self._range(node)
        else:
            value = self._value(node.pipeline)
            if truth(value):
                self._dot = value if node.kind == "with" else before
                self._list(node.then)
            else:
                self._list(node.other)
        self._dot = before
        self._scopes.pop()

    def _range(self, node: Block) -> None:
        value, before = self._value(Pipeline(node.pipeline.commands)), self._dot
        if isinstance(value, Mapping):
            pairs = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, (list, tuple, bytes)):
            pairs = list(enumerate(value))
        elif value is None:
            pairs = []
        else:
            raise TemplateError(f"range cannot go over {printed(value)!r}")
        for key, each in pairs:
            declared = node.pipeline.declares
            given = (key, each) if len(declared) == 2 else (each,)
            self._scopes[-1].update(zip(declared, given, strict=False))
            self._dot = each
            self._list(node.then)
        if not pairs:
            self._dot = before
            self._list(node.other)

    def _value(self, pipeline: Pipeline) -> Any:
        value: tuple[Any, ...] = ()
        for command in pipeline.commands:
            value = (self._command(command, value),)
        for name in pipeline.declares:
            self._set(name, value[0], new=pipeline.new)
        return value[0]

    def _set(self, name: str, value: Any, *, new: bool) -> None:
        for scope in reversed(self._scopes):
            if new or name in scope:
                scope[name] = value
                return

    def _command(self, command: tuple[Any, ...], last: tuple[Any, ...]) -> Any:
        first, operands = command[0], command[1:]
        if not isinstance(first, Call):
            return self._operand(first, (*map(self._operand, operands), *last))
        if first.name in ("and", "or"):
            return self._shortcut(first.name == "or", operands, last)
        function = FUNCTIONS[first.name]
        assert function is not None
        try:
            return function(*map(self._operand, operands), *last)
        except TypeError:
            raise TemplateError(f"{first.name} cannot take {len(operands) + len(last)} such arguments") from None

    def _shortcut(self, wanted: bool, operands: tuple[Any, ...], last: tuple[Any, ...]) -> Any:
        """The first that is as wanted, or the last of all."""
        value: Any = None
        for operand in (*operands, *(Constant(each) for each in last)):
            value = self._operand(operand)
            if truth(value) is wanted:
                return value
        if not operands and not last:
            raise TemplateError("and, or need an argument")
        return value

    def _operand(self, operand: Any, arguments: tuple[Any, ...] = ()) -> Any:
        """`arguments` are those of the method that is the last of its names."""
        if isinstance(operand, Constant):
            return operand.value
        if isinstance(operand, Call):
            return self._command((operand,), ())
        value = self._start(operand)
        for left, name in zip(range(len(operand.names) - 1, -1, -1), operand.names, strict=True):
            if value is None:
                return None
            if not isinstance(value, Mapping):
                value = called(value, name, () if left else arguments)
            elif arguments and not left:
                raise TemplateError(f"{name} is no method, and takes no arguments")
            else:
                value = value.get(name)
        return value

    def _start(self, path: Path) -> Any:
        if path.of is not None:
            return self._value(path.of)
        if not path.variable:
            return self._dot
        for scope in reversed(self._scopes):
            if path.variable in scope:
                return scope[path.variable]
        raise TemplateError(f"there is no variable {path.variable}")
