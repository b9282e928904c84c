"""Who is at the two ends of a call, as Mixer knows the mesh."""
