"""Decides whether to start a round, and starts it."""
