"""Configuration comes in: Galley's deltas -> store -> debounce -> snapshot."""
