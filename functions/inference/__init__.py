"""The HTTP API for planners. A valid request always gets a prediction: the model's, or the fallback's."""
