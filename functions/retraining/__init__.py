"""Decides whether a trigger (an alarm, the schedule or an operator) starts a training round, and starts it."""
