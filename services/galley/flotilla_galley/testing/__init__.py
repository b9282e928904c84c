"""What tests and benchmarks of Galley share."""
