"""`flotilla analyze`: files and a cluster in, what analyzers say of them out."""
