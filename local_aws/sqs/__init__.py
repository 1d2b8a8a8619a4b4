"""SQS: dead-letter queues, and messages that other services send."""
