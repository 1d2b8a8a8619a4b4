"""KMS: permissions on the keys of encrypted resources."""
