"""IAM: requests and roles of AWS services."""
