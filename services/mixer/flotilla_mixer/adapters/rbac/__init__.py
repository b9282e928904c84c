"""1.4's roles, judged by Mixer as 1.2 did."""
