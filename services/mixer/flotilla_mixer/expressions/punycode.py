"""Punycode, RFC 3492: Python's own codec takes what Go refuses."""

from __future__ import annotations

_BASE, _LEAST, _MOST, _SKEW, _DAMP, _BIAS, _FIRST = 36, 1, 26, 38, 700, 72, 128
_HIGHEST = 0x10FFFF


def decode(text: str) -> str:
    """Raises ValueError for what is no punycode."""
    plain, dash, rest = text.rpartition("-")
    if dash and not plain:
        raise ValueError(f'idna: invalid label "{text}"')
    found = list(plain)
    number, place, bias = _FIRST, 0, _BIAS
    digits = iter(rest)
    for first in digits:
        before = place
        place += _integer(first, digits, bias, text)
        size = len(found) + 1
        bias = _adapted(place - before, size, first_time=before == 0)
        number, place = number + place // size, place % size
        if number > _HIGHEST:
            raise ValueError(f'idna: invalid label "{text}"')
        found.insert(place, chr(number))
        place += 1
    return "".join(found)


def _integer(digit: str, digits: object, bias: int, text: str) -> int:
    """One number of variable length, whose first digit has been taken."""
    total, weight, step = 0, 1, _BASE
    while True:
        value = _value(digit)
        total += value * weight
        if value < 0 or total > _HIGHEST * 1024:
            raise ValueError(f'idna: invalid label "{text}"')
        threshold = min(max(step - bias, _LEAST), _MOST)
        if value < threshold:
            return total
        weight *= _BASE - threshold
        step += _BASE
        digit = next(digits, "")  # type: ignore[call-overload]  # an iterator of characters


def _value(digit: str) -> int:
    """Of a letter in any case or a digit; -1 for anything else."""
    if "0" <= digit <= "9":
        return ord(digit) - 22
    lower = digit.lower()
    return ord(lower) - 97 if digit.isascii() and "a" <= lower <= "z" else -1


def _adapted(delta: int, size: int, *, first_time: bool) -> int:
    delta = delta // _DAMP if first_time else delta // 2
    delta += delta // size
    steps = 0
    while delta > (_BASE - _LEAST) * _MOST // 2:
        delta //= _BASE - _LEAST
        steps += _BASE
    return steps + (_BASE - _LEAST + 1) * delta // (delta + _SKEW)
