"""CloudWatch: metrics, metric math, alarms and their actions."""
