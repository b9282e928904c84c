"""How plain data is written: read in bounded time and memory, whoever wrote it."""
