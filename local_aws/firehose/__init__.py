"""Data Firehose: delivery streams from Kinesis to S3 through a transform function.

``api`` replaces ministack's operations. ``delivery_stream`` does the work, with ``stream_reader`` (Kinesis),
``buffer``, ``transformation`` (the function's event and response), ``object_keys`` and ``settings``, which need no
ministack.
"""
