"""What runs on your machine: the command ``dwell``, the robots, and AWS on a laptop."""
