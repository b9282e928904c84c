"""YAML as most people and all tools write it, read a line at a time: mappings and lists in blocks, a value on its key's line.

Three times as fast as by the parser's events, which most of a folder's first reading used to be. It gives what the parser would
give, or nothing: whatever is not plain beyond doubt (flow collections of several lines, anchors, tags, escapes, text of several
lines, two keys of one name) is the parser's, so that there is one judge of what is wrong with a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from sys import intern
from typing import Any

from flotilla_galley.sources.plain_flows import NotPlain, read_flow, scalar
from flotilla_shared.notation.scalars import is_word

# As few as cannot hold more values than the parser takes, nor stand deeper than it goes.
MOST_CHARACTERS = 256 * 1024
DEEPEST = 50

# All of a line, where something stands on it: its indentation, a dash, a key, a value as it is written.
_LINE = re.compile(
    r"""(
    (\ *+) (-\ ++)?+
    (?: ([A-Za-z_][A-Za-z0-9_./-]{0,200}+) : (?: \ ++ | (?=\n|\Z) ) )?+
    (   -?[A-Za-z0-9_/.+] (?: [!-9;-~] | :(?=[!-~]) | \ ++(?=[!-"$-~]) )*+
    |   '[ -&(-~]*+'
    |   "[ !#-[\]-~]*+"
    |   [\[{][ -~]*+
    )?+
    (?: \ ++ (?: \#[ -~]*+ )?+ )?+ (?: \n | \Z )
    | \ *+ \#[ -~]*+ (?: \n | \Z )
    )""",
    re.VERBOSE,
)
_Line = tuple[str, str, str, str, str]
_NOWHERE = 1 << 30


def read_plain(text: str) -> tuple[Any, dict[str, int]]:
    """The value of a text of one document, and the lines (0-based) at which it and its key `kind` stand: "" is its own.

    Raises NotPlain, also for a text without any value.
    """
    if len(text) > MOST_CHARACTERS or not text.isascii():
        raise NotPlain
    lines: list[_Line] = _LINE.findall(text)
    if sum([len(line[0]) for line in lines]) != len(text):
        raise NotPlain  # something between them is no such line
    return _read(lines)


def _read(lines: Iterable[_Line]) -> tuple[Any, dict[str, int]]:
    """One long function: a call for each line of a mesh would take longer than what is to be done."""
    document: dict[str, Any] = {}
    places: dict[str, int] = {}
    # The collections that are open, the innermost last, and the column of each.
    inside: list[Any] = []
    columns: list[int] = []
    # The mapping whose key was the last line and had no value on it: what is below may be its value.
    hole, hole_key, hole_column = document, "", -1
    for number, (_, indent, dash, key, value) in enumerate(lines):
        if not key and not value:
            if dash:
                raise NotPlain
            continue  # nothing, or a comment
        column = len(indent)
        if column > hole_column or (dash and column == hole_column):
            collection: Any = [] if dash else {}
            hole[hole_key] = collection
            columns.append(column)
            inside.append(collection)
            if not places:
                places[""] = number
        else:
            collection = _around(columns, inside, column, list if dash else dict)
        hole_column = _NOWHERE
        if dash:
            if not key:
                collection.append(_value(value))
                continue
            column += len(dash)
            item: dict[str, Any] = {}
            collection.append(item)
            columns.append(column)
            inside.append(item)
            collection = item
        if not key or key in collection or is_word(key) or len(columns) > DEEPEST:
            raise NotPlain
        if key == "kind" and len(columns) == 1:
            places[key] = number
        key = intern(key)  # a mesh has some hundred keys, some hundred thousand times
        if value:
            collection[key] = _value(value)
        else:
            collection[key] = None
            hole, hole_key, hole_column = collection, key, column
    if not places:
        raise NotPlain
    return document[""], places


def _around(columns: list[int], inside: list[Any], column: int, kind: type) -> Any:
    """The open collection of this kind at this column; what is open within it is closed. Raises NotPlain."""
    while columns and columns[-1] > column:
        columns.pop()
        inside.pop()
    if kind is dict and columns and columns[-1] == column and type(inside[-1]) is list:
        columns.pop()  # a list may stand right below the key that it belongs to
        inside.pop()
    if not columns or columns[-1] != column or type(inside[-1]) is not kind:
        raise NotPlain
    return inside[-1]


def _value(written: str) -> Any:
    return read_flow(written) if written[0] in "[{" else scalar(written)
