"""What people who work on noisegate run by `make`, and users never do."""
