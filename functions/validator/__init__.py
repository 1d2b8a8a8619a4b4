"""Firehose's transform, and the meter: lines become rows or refusals, and both are counted."""
