"""S3: answers that ministack does not give."""
