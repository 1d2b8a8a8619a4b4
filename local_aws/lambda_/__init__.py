"""Lambda: execution environments, events of other services, logs."""
