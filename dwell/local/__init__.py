"""AWS on a laptop: a process that plays the part of AWS for the very template that deploys to AWS."""
