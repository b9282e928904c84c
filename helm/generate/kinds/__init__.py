"""docs/reference/kinds: a page for each kind, made of its message, its schema, what fields mean, and what its rules tell."""
