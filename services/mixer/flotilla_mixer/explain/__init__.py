"""What Mixer would do with a call, and why: the same dispatch, with handlers that are listened to."""
