"""The one meter: measures live error on stored samples, and publishes how strong the evidence for a worse model is."""
