"""How a sample is fed, what an attack's goal is, how predictions are scored."""
