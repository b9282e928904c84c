"""Does nothing, and says yes."""
