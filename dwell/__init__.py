"""The command ``dwell``: operates a stack, simulates robots, and runs AWS on a laptop."""
