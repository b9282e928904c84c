"""Today's analyzers, one module each."""
