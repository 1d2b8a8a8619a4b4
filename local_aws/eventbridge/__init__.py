"""EventBridge: events of AWS services, targets of rules and schedules, keywords of schedules."""
