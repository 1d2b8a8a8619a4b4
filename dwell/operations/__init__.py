"""Operations on a deployed stack, on AWS or on a laptop: publish files, replay, redrive, retrain, deploy."""
