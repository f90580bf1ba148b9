"""Models that answer: the one-method Victim, Hugging Face victims, training, the oracle."""
