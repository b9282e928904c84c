"""An action's words to a tree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.kit.gotext.errors import TemplateError
from flotilla_mixer.kit.gotext.functions import FUNCTIONS
from flotilla_mixer.kit.gotext.scan import Part, Word, parts

DEEPEST = 50
REFUSED = ("define", "template", "block", "break", "continue")


@dataclass(frozen=True, slots=True)
class Constant:
    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """Fields of a variable (`$x.a.b`), of the dot (`variable` empty), or of a pipeline in parentheses."""

    variable: str
    names: tuple[str, ...] = ()
    of: Pipeline | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands; each but the first has the result of the one before as its last argument. `declares`: variables."""

    commands: tuple[tuple[Any, ...], ...]
    declares: tuple[str, ...] = ()
    new: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """`if`, `with` or `range` with what is done, and done else."""

    kind: str
    pipeline: Pipeline
    then: tuple[Any, ...]
    other: tuple[Any, ...]


Node = str | Pipeline | Block


class _Stop(Exception):  # it is the end of a list and no error
    """`end` or `else`, with the words that follow it."""

    def __init__(self, kind: str, words: Sequence[Word]) -> None:
        super().__init__(kind)
        self.kind, self.words = kind, words


def parse(text: str) -> tuple[Node, ...]:
    """The tree of a template. Raises TemplateError."""
    nodes, stop = _nodes(iter(list(parts(text))), 0, {"$"})
    if stop is not None:
        raise TemplateError(f"there is {{{{{stop.kind}}}}} without a beginning")
    return nodes


def _nodes(left: Any, depth: int, known: set[str]) -> tuple[tuple[Node, ...], _Stop | None]:
    """The nodes as far as the end of the list, and the word that ends it."""
    if depth > DEEPEST:
        raise TemplateError(f"blocks are nested more than {DEEPEST} times")
    found: list[Node] = []
    for part in left:
        try:
            found.append(_node(part, left, depth, known))
        except _Stop as stop:
            return tuple(found), stop
    return tuple(found), None


def _node(part: Part, left: Any, depth: int, known: set[str]) -> Node:
    if part.words is None:
        return part.text
    if not part.words:
        raise TemplateError("an action is empty")
    first, rest = part.words[0], part.words[1:]
    if first.text in ("end", "else"):
        raise _Stop(first.text, rest)
    if first.text in REFUSED:
        raise TemplateError(f"{first.text} is not taken in templates")
    if first.text in ("if", "with", "range"):
        return _block(first.text, rest, left, depth, known)
    return _Reader(part.words, known, depth).whole()


def _block(kind: str, words: Sequence[Word], left: Any, depth: int, known: set[str]) -> Block:
    inner = set(known)
    pipeline = _Reader(words, inner, depth, of_range=kind == "range").whole()
    then, stop = _nodes(left, depth + 1, set(inner))
    other: tuple[Node, ...] = ()
    if stop is not None and stop.kind == "else":
        if stop.words:
            other = (_block(stop.words[0].text, stop.words[1:], left, depth + 1, inner),)
            return Block(kind, pipeline, then, other)
        other, stop = _nodes(left, depth + 1, set(inner))
    if stop is None or stop.kind != "end" or stop.words:
        raise TemplateError(f"{{{{{kind}}}}} has no {{{{end}}}}")
    return Block(kind, pipeline, then, other)


class _Reader:
    """Reads the words of one action. `known` are the variables that there are; those that are declared are added."""

    def __init__(self, words: Sequence[Word], known: set[str], depth: int, *, of_range: bool = False) -> None:
        self._words = list(words)
        self._place = 0
        self._known = known
        self._depth = depth
        self._of_range = of_range

    def whole(self) -> Pipeline:
        names, new = self._declared()
        found = self._pipeline(self._depth)
        if self._place < len(self._words):
            raise TemplateError(f"{self._words[self._place].text!r} is not expected")
        if new:
            self._known.update(names)
        return Pipeline(found.commands, names, new)

    def _peek(self) -> Word:
        return self._words[self._place] if self._place < len(self._words) else Word("end", "", False)

    def _next(self) -> Word:
        word = self._peek()
        self._place += 1
        return word

    def _declared(self) -> tuple[tuple[str, ...], bool]:
        texts = [word.text for word in self._words[:4]]
        if self._words[:1] and self._words[0].kind == "variable":
            if texts[1:2] in (["="], [":="]):
                return self._declare(texts[:1], texts[1] == ":=", 2)
            if self._of_range and texts[1:2] == [","] and texts[3:4] == [":="] and self._words[2].kind == "variable":
                return self._declare([texts[0], texts[2]], True, 4)
        return (), True

    def _declare(self, names: Iterable[str], new: bool, words: int) -> tuple[tuple[str, ...], bool]:
        self._place = words
        for name in names:
            if not new and name not in self._known:
                raise TemplateError(f"there is no variable {name}")
        return tuple(names), new

    def _pipeline(self, depth: int) -> Pipeline:
        if depth > DEEPEST:
            raise TemplateError(f"parentheses are nested more than {DEEPEST} times")
        commands = [self._command(depth)]
        while self._peek().text == "|":
            self._next()
            commands.append(self._command(depth))
        for command in commands[1:]:
            if not _can_be_called(command[0]):
                raise TemplateError("only a function can follow `|`")
        return Pipeline(tuple(commands))

    def _command(self, depth: int) -> tuple[Any, ...]:
        operands = [self._operand(depth)]
        while self._peek().kind != "end" and self._peek().text not in ("|", ")"):
            operands.append(self._operand(depth))
        if len(operands) > 1 and not _can_be_called(operands[0]):
            raise TemplateError("only a function takes arguments")
        if operands[0] == Constant(None):
            raise TemplateError("nil by itself is nothing to do")
        return tuple(operands)

    def _operand(self, depth: int) -> Any:
        word = self._next()
        match word.kind:
            case "field":
                return Path("", tuple(word.text[1:].split(".")))
            case "dot":
                return Path("")
            case "variable":
                if word.text not in self._known:
                    raise TemplateError(f"there is no variable {word.text}")
                return Path(word.text, self._glued_names())
            case "name":
                return _name(word.text)
            case "sign" if word.text == "(":
                inner = self._pipeline(depth + 1)
                if self._next().text != ")":
                    raise TemplateError("a parenthesis has no end")
                return Path("", self._glued_names(), inner)
            case "text" | "char" | "number":
                return Constant(_literal(word))
        raise TemplateError(f"{word.text!r} is not expected" if word.text else "an action ends too early")

    def _glued_names(self) -> tuple[str, ...]:
        word = self._peek()
        if word.kind == "field" and word.glued:
            self._next()
            return tuple(word.text[1:].split("."))
        return ()


def _can_be_called(operand: Any) -> bool:
    """A function, or what may be a method: `.timestamp.Format`."""
    return isinstance(operand, Call) or (isinstance(operand, Path) and bool(operand.names))


def _name(text: str) -> Any:
    constants = {"true": True, "false": False, "nil": None}
    if text in constants:
        return Constant(constants[text])
    if text not in FUNCTIONS:
        raise TemplateError(f"there is no function {text!r}")
    return Call(text)


def _literal(word: Word) -> Any:
    if word.kind == "number":
        text = word.text.lower()
        if "x" in text:
            return int(text, 16)
        return float(text) if any(sign in text for sign in ".e") else int(text)
    if word.text[0] == "`":
        return word.text[1:-1]
    inside = word.text[1:-1].replace('"', '\\"') if word.kind == "char" else word.text[1:-1]
    try:
        read = json.loads(f'"{inside}"')
    except ValueError:
        raise TemplateError(f"{word.text} has an escape that is not known") from None
    return ord(read) if word.kind == "char" else read
