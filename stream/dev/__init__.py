"""What one laptop needs to try the whole journey: embedded servers, a simulated organisation. Not for production."""
