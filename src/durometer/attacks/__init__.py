"""Searches for adversarial programs, and the one driver that runs them."""
