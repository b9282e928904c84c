"""What became of each object: Galley's own verdict beside the reports of Pilot and Mixer."""
