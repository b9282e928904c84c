"""Giving the root to those who must trust it before they can talk to Citadel: a file, or a ConfigMap in every namespace."""
