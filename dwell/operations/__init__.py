"""What operators do with a deployed stack, on AWS or on a laptop: look, publish, replay, retrain."""
