"""Who is best: models by test error, with their live error, the rounds they come from and the last decisions."""
