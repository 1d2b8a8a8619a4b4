"""KMS: requests that need the key of an encrypted resource."""
