"""AWS on a laptop: starts the local AWS as a process, and deploys template.yaml to it."""
