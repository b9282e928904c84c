"""From CEL's tree to Python's, with the types found on the way.

Every node becomes `Coded`: an expression of Python, its type, and whether it can fail. An attribute that is absent is its
type's zero value; `bag.get` and `map.get` are the only ways to ask, so a bag that remembers knows what an answer rests on.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from flotilla_mixer.expressions import functions as shared
from flotilla_mixer.expressions.cel import functions, overloads, types
from flotilla_mixer.expressions.cel.coded import Coded
from flotilla_mixer.expressions.cel.tree import Call, ListOf, Literal, MapOf, Name, Node, Select, Wrapped
from flotilla_shared.model.expressions import ExpressionError, ValueType

Vocabulary = Mapping[str, ValueType]
ZEROS: Mapping[str, object] = {
    types.STRING: "",
    types.INT: 0,
    types.DOUBLE: 0.0,
    types.BOOL: False,
    types.IP: b"",
    types.DNS: "",
    types.EMAIL: "",
    types.URI: "",
    types.TIMESTAMP: functions.ZERO_TIME,
    types.DURATION: functions.ZERO_DURATION,
    types.STRING_MAP: shared.EMPTY_MAP,
}
_OWN = (
    functions.key_of,
    functions.item_of,
    functions.has_key,
    functions.either,
    functions.both,
    functions.divided,
    functions.remainder,
    functions.quotient,
    functions.reversed_text,
    functions.duration,
    functions.later,
    functions.span,
    functions.whole,
    functions.unsigned,
    functions.real,
    functions.text_of,
    functions.untyped,
    functions.unsized,
    functions.unequal,
    functions.part_of,
    functions.units_of,
)
_SHARED = (
    shared.ip,
    shared.ip_equal,
    shared.timestamp,
    shared.dns_name,
    shared.email,
    shared.email_equal,
    shared.uri,
    shared.match,
    shared.matches,
    shared.lower,
    shared.wrapped,
)
RUN_TIME: Mapping[str, object] = {
    **{f"cel_{each.__name__}": each for each in (*_OWN, *_SHARED)},
    "cel_same_dns": functions.same_dns,
    "cel_same_uri": functions.same_uri,
    "cel_absent": functions.ABSENT,
    **{each.__name__: each for each in (all, any, len, sum)},
}


def value_type(kind: str) -> ValueType | None:
    """The type that rules and instances know, or None: a value of it can be no attribute."""
    return ValueType.STRING_MAP if kind == types.map_of(types.DYN, types.DYN) else types.VALUE_TYPES.get(kind)


class Coder:
    """Makes the nodes of one function, over its argument `bag`. `names` is what the function finds beside it."""

    def __init__(self, vocabulary: Vocabulary, names: dict[str, object]) -> None:
        self._vocabulary = vocabulary
        self._names = names
        names.update(RUN_TIME)
        self._variables: dict[str, Coded] = {}
        self._places = 0

    def code(self, node: Node) -> Coded:
        """Raises ExpressionError."""
        if isinstance(node, Literal):
            return Coded(self.constant(node.value), node.type)
        if isinstance(node, Name | Select):
            return self._named(node)
        if isinstance(node, ListOf):
            items = [self.code(each) for each in node.items]
            kind = types.list_of(types.common([each.type for each in items]))
            return Coded(ast.List([each.node for each in items], ast.Load()), kind, _any(items))
        if isinstance(node, MapOf):
            keys, values = ([self.code(pair[at]) for pair in node.entries] for at in (0, 1))
            kind = types.map_of(
                types.common([each.type for each in keys]), types.common([each.type for each in values])
            )
            built = ast.Dict([each.node for each in keys], [each.node for each in values])
            return Coded(built, kind, _any([*keys, *values]))
        if isinstance(node, Wrapped):
            return self._unwrapped(node)
        macro = MACROS.get(node.function)
        if macro is not None and (node.target is not None) is (node.function in FOLDS):
            return macro(self, node)
        if node.function == "_[_]":
            return self._index(node)
        return self._call(node)

    def constant(self, value: object) -> ast.expr:
        """A node of a value; of what Python's trees do not know, a name."""
        if isinstance(value, str | bytes | bool | float | type(None)) or type(value) is int:
            return ast.Constant(value)
        name = f"constant_{len(self._names)}"
        self._names[name] = value
        return load(name)

    def place(self) -> str:
        """A local variable of its own."""
        self._places += 1
        return f"cel_{self._places}"

    # Attributes and keys.

    def path(self, node: Node) -> str | None:
        """`a.b.c`, where the node is nothing but words and no variable of a macro begins it."""
        words: list[str] = []
        while isinstance(node, Select):
            words.append(node.field)
            node = node.operand
        if not isinstance(node, Name) or node.name in self._variables:
            return None
        return ".".join([node.name, *reversed(words)])

    def _unwrapped(self, node: Wrapped) -> Coded:
        found = types.WRAPPERS.get(node.type)
        if found is None:
            raise ExpressionError(f"undeclared reference to '{node.type}'", node.position)
        kind, zero = found
        if node.operand is None:
            return Coded(self.constant(zero), kind)
        coded = self.code(node.operand)
        if not types.fits(coded.type, kind):
            raise ExpressionError(
                f"expected type of field 'value' is '{kind}' but provided type is '{coded.type}'", node.position
            )
        return coded

    def _named(self, node: Name | Select) -> Coded:
        if isinstance(node, Select) and isinstance(node.operand, Wrapped) and node.field == "value":
            return self._unwrapped(node.operand)
        path = self.path(node)
        if path is not None and path in self._vocabulary:
            kind = types.OF_ATTRIBUTES[self._vocabulary[path]]
            return Coded(called_on(load("bag"), "get", ast.Constant(path), self.constant(ZEROS[kind])), kind)
        if isinstance(node, Name):
            found = self._variables.get(node.name)
            if found is None and node.name in types.NAMES:
                return Coded(ast.Constant(node.name), types.TYPE)
            if found is None:
                raise ExpressionError(f"undeclared reference to '{node.name}'", node.position)
            return found
        if path is not None and not self._is_known(node.operand):
            raise ExpressionError(f"undeclared reference to '{path}'", node.position)
        return self._key(self.code(node.operand), Coded(ast.Constant(node.field), types.STRING), node)

    def _is_known(self, node: Node) -> bool:
        """Whether a beginning of the path is an attribute."""
        while True:
            if self.path(node) in self._vocabulary:
                return True
            if not isinstance(node, Select):
                return False
            node = node.operand

    def _index(self, node: Call) -> Coded:
        return self._key(self.code(node.arguments[0]), self.code(node.arguments[1]), node)

    def _key(self, operand: Coded, key: Coded, node: Select | Call) -> Coded:
        item, entry = types.item_type(operand.type), types.entry_types(operand.type)
        if item is not None and types.fits(key.type, types.INT):
            return Coded(called("cel_item_of", operand.node, key.node), item, True)
        if entry is not None and types.fits(key.type, entry[0]):
            return Coded(called("cel_key_of", operand.node, key.node), entry[1], True)
        if isinstance(node, Select):
            text = f"type '{operand.type}' does not support field selection"
            raise ExpressionError(text, node.position)
        raise overloads.no_overload("_[_]", [operand.type, key.type], node.position)

    def presence(self, node: Node) -> tuple[ast.expr, Coded] | None:
        """How to ask for a part of a path or a key of a map: a node that is ABSENT where it is not there, and what it
        codes to otherwise; None for what is always there.
        """
        if isinstance(node, Select) and (path := self.path(node)) in self._vocabulary:
            return called_on(load("bag"), "get", ast.Constant(path), load("cel_absent")), self.code(node)
        if isinstance(node, Select):
            operand, key = node.operand, Coded(ast.Constant(node.field), types.STRING)
        elif isinstance(node, Call) and node.function == "_[_]":
            operand, key = node.arguments[0], self.code(node.arguments[1])
        else:
            return None
        found, entries = self.code(node), self.code(operand)
        if types.entry_types(entries.type) is None:
            return None
        asked = called_on(entries.node, "get", key.node, load("cel_absent"))
        return asked, Coded(asked, found.type, entries.fails or key.fails)

    # Functions and operators.

    def _call(self, node: Call) -> Coded:
        if node.function == "type" and len(node.arguments) == 1:
            return self._type(self.code(node.arguments[0]))
        target = [] if node.target is None else [self.code(node.target)]
        given = [*target, *(self.code(each) for each in node.arguments)]
        return overloads.resolve(node, given)

    def _type(self, operand: Coded) -> Coded:
        if operand.type == types.STRING_MAP:
            asked = ast.Tuple([operand.node, called("cel_untyped", ast.Constant("stringmap"))], ast.Load())
            return Coded(asked, types.TYPE, True)
        return Coded(ast.Constant(operand.type.partition("(")[0]), types.TYPE)

    def with_variable(self, name: str, variable: Coded, node: Node) -> Coded:
        """The node, in which a name stands for this."""
        before = self._variables.get(name)
        self._variables[name] = variable
        try:
            return self.code(node)
        finally:
            if before is None:
                del self._variables[name]
            else:
                self._variables[name] = before


# Macros.


def _has(coder: Coder, node: Call) -> Coded:
    if len(node.arguments) != 1 or not isinstance(node.arguments[0], Select):
        raise ExpressionError("has() takes one part of a name, such as has(request.headers.host)", node.position)
    found = coder.presence(node.arguments[0])
    if found is None:
        raise ExpressionError("has() asks for an attribute or a key of a map", node.position)
    asked, coded = found
    return Coded(ast.Compare(asked, [ast.IsNot()], [load("cel_absent")]), types.BOOL, coded.fails)


def _pick(coder: Coder, node: Call) -> Coded:
    """The first that is there; what is no attribute with a dot and no key is always there."""
    if not node.arguments:
        raise ExpressionError("pick() needs something to pick from", node.position)
    *first, last = node.arguments
    total = coder.code(last)
    for each in reversed(first):
        total = _or_else(coder, each, total, node)
    return total


def _or_else(coder: Coder, node: Node, otherwise: Coded, macro: Call) -> Coded:
    found = coder.presence(node)
    coded = found[1] if found is not None else coder.code(node)
    if not types.fits(coded.type, otherwise.type):
        raise overloads.no_overload("_?_:_", [types.BOOL, coded.type, otherwise.type], macro.position)
    if found is None:
        return coded
    place = coder.place()
    there = ast.Compare(ast.NamedExpr(ast.Name(place, ast.Store()), found[0]), [ast.IsNot()], [load("cel_absent")])
    return Coded(ast.IfExp(there, load(place), otherwise.node), coded.type, coded.fails or otherwise.fails)


def _conditional(coder: Coder, node: Call) -> Coded:
    if len(node.arguments) != 3:
        raise ExpressionError("conditional() takes a condition and two values", node.position)
    condition, chosen, other = (coder.code(each) for each in node.arguments)
    if not types.fits(condition.type, types.BOOL) or not types.fits(chosen.type, other.type):
        raise overloads.no_overload("_?_:_", [condition.type, chosen.type, other.type], node.position)
    fails = condition.fails or chosen.fails or other.fails
    return Coded(ast.IfExp(condition.node, chosen.node, other.node), chosen.type, fails)


def _fold(coder: Coder, node: Call) -> Coded:
    """all, exists, exists_one, map and filter over what is written out; a bag's maps are asked for keys alone."""
    assert node.target is not None
    if len(node.arguments) != 2 or not isinstance(node.arguments[0], Name):
        raise ExpressionError(f"{node.function}() takes the name of a variable and an expression", node.position)
    whole = coder.code(node.target)
    entry = types.entry_types(whole.type)
    kind = types.item_type(whole.type) or (entry[0] if entry else None)
    if kind is None or whole.type == types.STRING_MAP:
        text = f"{node.function}() goes through a list; of an attribute's map only keys can be asked for"
        raise ExpressionError(text, node.position)
    place = coder.place()
    body = coder.with_variable(node.arguments[0].name, Coded(load(place), kind), node.arguments[1])
    if node.function != "map" and not types.fits(body.type, types.BOOL):
        raise overloads.no_overload(node.function, [whole.type, body.type], node.position)
    if any(isinstance(each, ast.NamedExpr) for each in ast.walk(whole.node)):
        raise ExpressionError(f"{node.function}() cannot go through what pick() chooses", node.position)
    loop = ast.comprehension(ast.Name(place, ast.Store()), whole.node, [], 0)
    fails = whole.fails or body.fails
    match node.function:
        case "all" | "exists":
            each = ast.GeneratorExp(body.node, [loop])
            return Coded(called("all" if node.function == "all" else "any", each), types.BOOL, fails)
        case "exists_one":
            number = called("sum", ast.GeneratorExp(body.node, [loop]))
            return Coded(ast.Compare(number, [ast.Eq()], [ast.Constant(1)]), types.BOOL, fails)
        case "map":
            return Coded(ast.ListComp(body.node, [loop]), types.list_of(body.type), fails)
    loop.ifs.append(body.node)
    return Coded(ast.ListComp(load(place), [loop]), types.list_of(kind), fails)


FOLDS = frozenset(("all", "exists", "exists_one", "map", "filter"))
MACROS: dict[str, Callable[[Coder, Call], Coded]] = {
    "has": _has,
    "pick": _pick,
    "conditional": _conditional,
    "_?_:_": _conditional,
    **dict.fromkeys(FOLDS, _fold),
}


def _any(parts: list[Coded]) -> bool:
    return any(each.fails for each in parts)


def load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def called(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(load(function), list(arguments), [])


def called_on(target: ast.expr, name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Attribute(target, name, ast.Load()), list(arguments), [])
