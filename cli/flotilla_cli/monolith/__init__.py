"""The four services in one process, to compare: the same applications, joined by direct calls."""
