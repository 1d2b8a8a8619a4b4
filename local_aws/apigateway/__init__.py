"""API Gateway: HTTP APIs of SAM templates."""
