"""Stands in for the real one in the supervisor's tests."""

from stub_part import main

main("mixer")
