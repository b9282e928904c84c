"""Benchmarks: `make bench`. Each prints a table whose first column is a ratio, all of it measured in one run."""
