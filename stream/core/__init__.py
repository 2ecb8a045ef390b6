"""What an alert is and what noisegate computes from it; pure: no servers, clock, environment, logging or async."""
