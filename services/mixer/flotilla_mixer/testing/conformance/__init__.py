"""What every adapter must pass, Mixer's own and those of others: `suite.AdapterConformance`, run with an `AdapterCase`.

case         what an adapter says of itself for the tests: parameters that work, rows, mistakes, its backend
documents    metadata.yaml and README.md are complete and true
life         built, called, closed, closed again; nothing is left
inputs       parameters and rows that do not fit: told, never a crash
outages      the backend is away, slow, or back
"""
