"""A template's text and actions, and an action's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from flotilla_mixer.kit.gotext.errors import TemplateError

LONGEST = 16 * 1024  # characters of a template
_SPACE = " \t\r\n"
_WORD = re.compile(
    r"""\s+
    |(?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.)')
    |(?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?))(?![\w.])
    |(?P<field>(?:\.[A-Za-z_]\w*)+)
    |(?P<dot>\.)
    |(?P<variable>\$\w*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>:=|=|\||\(|\)|,)""",
    re.X,
)


class Word(NamedTuple):
    """One word of an action. `glued`: nothing stands between it and the word before."""

    kind: str
    text: str
    glued: bool


class Part(NamedTuple):
    """Text (`words` is None) or an action."""

    text: str
    words: tuple[Word, ...] | None = None


def parts(template: str) -> Iterator[Part]:
    """Text and actions in order; comments are gone, space is trimmed where `{{-` and `-}}` ask for it. Raises TemplateError."""
    if len(template) > LONGEST:
        raise TemplateError(f"a template has at most {LONGEST} characters, and not {len(template)}")
    position, trim = 0, False
    while True:
        begin = template.find("{{", position)
        text = template[position:] if begin < 0 else template[position:begin]
        if trim:
            text = text.lstrip(_SPACE)
        if begin < 0:
            yield from [Part(text)] if text else []
            return
        inside, position, before, trim = _action(template, begin)
        if before:
            text = text.rstrip(_SPACE)
        if text:
            yield Part(text)
        if inside is not None:
            yield Part(inside, tuple(_words(inside)))


def _action(template: str, begin: int) -> tuple[str | None, int, bool, bool]:
    """What is inside (None for a comment), where it ends, and whether space before and after it goes."""
    start = begin + 2
    before = template[start : start + 1] == "-" and template[start + 1 : start + 2] in tuple(_SPACE)
    start += 2 if before else 0
    if template.startswith("/*", start):
        end = template.find("*/", start)
        close = re.compile(r"\*/(\s-)?\}\}").match(template, end) if end >= 0 else None
        if close is None:
            raise TemplateError("a comment has no end `*/}}`")
        return None, close.end(), before, close[1] is not None
    end = _end_of(template, start)
    after = template[end - 1] == "-" and template[end - 2] in _SPACE
    return template[start : end - 2 if after else end], end + 2, before, after


def _end_of(template: str, start: int) -> int:
    """Where `}}` is that is not in a literal."""
    literal = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|\}\}")
    position = start
    while (found := literal.search(template, position)) is not None:
        if found[0] == "}}":
            return found.start()
        position = found.end()
    raise TemplateError(f"an action has no end: {template[start - 2 : start + 30]!r}")


def _words(inside: str) -> Iterator[Word]:
    position, glued = 0, False
    while position < len(inside):
        found = _WORD.match(inside, position)
        if found is None:
            raise TemplateError(f"{inside[position]!r} is no word in {{{{{inside}}}}}")
        position = found.end()
        if found.lastgroup is None:
            glued = False
            continue
        yield Word(found.lastgroup, found[0], glued)
        glued = True
