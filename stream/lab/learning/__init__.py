"""Learning from the training window: trees, their number, calibration, thresholds."""
