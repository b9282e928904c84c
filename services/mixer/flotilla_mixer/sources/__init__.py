"""Configuration comes in: Galley's deltas -> store -> debounce -> configuration -> dispatch table."""
