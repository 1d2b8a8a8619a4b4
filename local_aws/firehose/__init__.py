"""Data Firehose: delivery streams from Kinesis to S3 through a transform function."""
