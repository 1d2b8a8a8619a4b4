"""API Gateway: HTTP APIs from OpenAPI documents, their authorization and throttling."""
