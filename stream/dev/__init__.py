"""What one laptop needs to try the whole journey: embedded servers, and the demo. Not for production."""
