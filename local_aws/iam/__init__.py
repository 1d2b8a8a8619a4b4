"""IAM: roles that services assume, permissions of services, and what counts as a secure request."""
