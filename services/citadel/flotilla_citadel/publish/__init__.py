"""Giving the root to those who must trust it before they can talk to Citadel: a file, later more."""
