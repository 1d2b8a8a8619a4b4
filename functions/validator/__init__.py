"""Firehose's transform: converts lines to rows or rejects them, and counts both."""
