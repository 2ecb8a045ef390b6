"""The closer: rules decide on scored alerts, one proven step at a time."""
