"""What Pilot would do, without a Pilot that runs: for commands and tests."""
