"""DNS names in any script, as Go's `idna` reads them (UTS 46, RFC 5893), which Istio 1.4 asks in two ways.

`checked` is for values: it forbids what a label may not be, but not single characters, and folds nothing.
`comparable` is for comparing: letters are folded, and what no host name may hold is refused.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna

from flotilla_mixer.expressions.punycode import decode

LONGEST = 1024  # of what is read at all; a name on the wire has 253 at most
_REMEMBERED = 4096
_ACE = "xn--"
_PLAIN = re.compile(r"[a-zA-Z0-9]+(?:[-.][a-zA-Z0-9]+)*\Z")  # most names: nothing about them needs a closer look
_FROM_RIGHT = frozenset(("R", "AL", "AN"))
_JOINERS = ("\u200c", "\u200d")


@lru_cache(_REMEMBERED)
def checked(text: str) -> str:
    """The name in its readable form. Raises ValueError with what is wrong with it."""
    _check_text(text)
    if _PLAIN.match(text):
        return text
    name = unicodedata.normalize("NFC", text)
    if not name:
        raise ValueError('idna: invalid label ""')
    return _labels_read(name, empty_allowed=False)


@lru_cache(_REMEMBERED)
def comparable(text: str) -> str:
    """The form in which names are the same, without the dot at the end. Raises ValueError with what is wrong."""
    _check_text(text)
    if _PLAIN.match(text):
        return text.lower()
    name = _labels_read(_folded(text), empty_allowed=True)
    return name[:-1] if name.endswith(".") and name.strip(".") else name


def _check_text(text: str) -> None:
    text.encode()  # a text with half a character in it is no text; the error is a ValueError
    if len(text) > LONGEST:
        raise ValueError(f"idna: longer than {LONGEST} characters")


def _folded(text: str) -> str:
    try:
        return idna.uts46_remap(text, std3_rules=True)
    except idna.InvalidCodepoint as error:
        found = text[(error.position or 1) - 1 :][:1]
        raise ValueError(f"idna: disallowed rune U+{ord(found or ' '):04X}") from None
    except idna.IDNAError as error:
        raise ValueError(f"idna: {error}") from None


def _labels_read(name: str, *, empty_allowed: bool) -> str:
    """The name with its encoded labels decoded, each label checked. An empty one at the end is the root."""
    labels = name.split(".")
    found: list[str] = []
    for place, label in enumerate(labels):
        if label:
            found.append(_label_read(label, empty_allowed=empty_allowed))
        elif not empty_allowed and not _is_root(labels, place, found):
            raise ValueError(f'idna: invalid label "{name}"')
        else:
            found.append("")
    if any(_reads_from_right(each) for each in (name, *found)) and not all(map(_directions_agree, found)):
        raise ValueError(f'idna: invalid label "{name}"')
    return ".".join(found)


def _is_root(labels: list[str], place: int, before: list[str]) -> bool:
    """Whether an empty label stands at the end. Go takes two dots there for one, unless it has decoded a label."""
    last = len(labels) - 1
    return place == last > 0 or (place == last - 1 > 0 and not labels[last] and before == labels[:place])


def _label_read(label: str, *, empty_allowed: bool) -> str:
    if not label.startswith(_ACE):
        _check_label(label)
        return label
    decoded = decode(label.removeprefix(_ACE))
    if not unicodedata.is_normalized("NFC", decoded) or not all(map(_may_be_encoded, decoded)):
        raise ValueError(f'idna: invalid label "{decoded}"')
    if decoded:
        _check_label(decoded)
    elif not empty_allowed:
        raise ValueError('idna: invalid label ""')
    return decoded


def _may_be_encoded(character: str) -> bool:
    """Whether folding would leave it as it is."""
    try:
        return bool(idna.uts46_remap(character, std3_rules=True) == character)
    except idna.IDNAError:
        return False


def _check_label(label: str) -> None:
    """Hyphens, marks and joiners. Places are counted in bytes, as Go does."""
    code = label.encode("utf-8", "surrogatepass")
    if (len(code) > 4 and code[2:4] == b"--") or code.startswith(b"-") or code.endswith(b"-"):
        raise ValueError(f'idna: invalid label "{label}"')
    if unicodedata.category(label[0]).startswith("M") or not _joins(label):
        raise ValueError(f'idna: invalid label "{label}"')


def _joins(label: str) -> bool:
    """Whether each joiner stands where it does something."""
    places = [place for place, letter in enumerate(label) if letter in _JOINERS]
    try:
        return all(idna.valid_contextj(label, place) for place in places)
    except (ValueError, idna.IDNAError):
        return False


def _reads_from_right(text: str) -> bool:
    return not text.isascii() and any(unicodedata.bidirectional(each) in _FROM_RIGHT for each in text)


def _directions_agree(label: str) -> bool:
    try:
        return not label or bool(idna.check_bidi(label, check_ltr=True))
    except idna.IDNAError:
        return False
