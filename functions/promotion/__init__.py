"""Records what a training job found, puts a winner behind the endpoint, and records what became of it there."""
