"""What adapters are given and what they must be: the adapter kit."""
