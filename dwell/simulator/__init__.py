"""A simulated fleet of warehouse robots that publishes samples and asks for predictions."""
