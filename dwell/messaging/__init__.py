"""Samples as messages: lines, encoding, batches, publishing to SNS, and the log of what was published."""
