"""What became of each object, back to Galley."""
