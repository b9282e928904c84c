"""Questions to a Mixer: what is asked, of whom, and how the answer reads."""
