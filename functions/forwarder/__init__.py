"""From the topic to the stream: SNS calls, and every message becomes one Kinesis record."""
