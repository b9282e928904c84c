"""Templates: the shapes of what handlers are given, and how instances of them are made of a bag."""
