"""CloudFormation: physical names and encryption of a stack's resources."""
