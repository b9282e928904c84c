"""What differs between the platforms: where configuration comes from, and who else is talked to about it."""
