"""Expressions in CEL, the Common Expression Language: 1.4's other language, and CEXL with CEL's meaning (mixer.md 3.6).

    text -> tokens -> parser -> tree -> compile (types and Python's syntax tree in one pass) -> a function

`compat` makes the same tree of an expression in CEXL.
"""
