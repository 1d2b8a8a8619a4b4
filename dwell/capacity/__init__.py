"""What a fleet needs and costs, computed from the template before anything is deployed."""
