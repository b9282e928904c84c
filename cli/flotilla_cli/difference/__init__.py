"""What would change: objects of files against what is held, by a directory, a Galley or a cluster."""
