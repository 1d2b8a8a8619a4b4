"""Faults between a caller and AWS, for tests."""
