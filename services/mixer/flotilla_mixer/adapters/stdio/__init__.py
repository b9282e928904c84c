"""What is reported as lines of text: to the console or to a file."""
