"""What lets a process of this machine prove to Citadel who it is: a key, its JWKS file, and signed tokens."""
