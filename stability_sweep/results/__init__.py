"""What a trial leaves: its outcome, its telemetry, its autopsy, and how their numbers are spelled. No engine."""
