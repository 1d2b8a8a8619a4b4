"""Forwards every SNS message as a record of the Kinesis stream."""
