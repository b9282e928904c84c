"""What can be asked of Mixer without one that runs."""
