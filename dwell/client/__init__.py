"""Clients of a deployed stack: its outputs, its signed HTTP API, the leaderboard, the stored samples."""
