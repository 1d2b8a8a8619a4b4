"""EventBridge: events of AWS services, and schedules."""
