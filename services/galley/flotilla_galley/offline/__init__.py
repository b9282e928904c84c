"""What can be asked of Galley without one that runs."""
