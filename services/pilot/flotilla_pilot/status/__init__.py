"""What became of each object goes back to Galley."""
