"""Where guards run, and guards that others made."""
