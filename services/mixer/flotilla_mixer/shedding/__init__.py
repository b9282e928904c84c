"""What Mixer does when more is asked than it can do: telemetry goes first, policy last, and nothing is lost uncounted."""
