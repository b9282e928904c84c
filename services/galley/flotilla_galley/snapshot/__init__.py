"""What is published: `ledger` decides which version of each object counts, `snapshot` is the immutable result,
`last_good` keeps it over restarts.
"""
