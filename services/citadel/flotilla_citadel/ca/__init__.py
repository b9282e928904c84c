"""The authority: what a request must be, what a certificate looks like, the root, signing. Pure."""
