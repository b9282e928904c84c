"""What rows of tables about clusters ask, one function for each kind of row: what is found, and what is wanted."""
